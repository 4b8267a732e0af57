"""The state of one fetch: the ids to request next, and the outcome of each id.

No I/O, no clock of its own. `client.py` passes it the transport's responses. Every id ends up in
exactly one of messages, gone and failures, whatever arrives.

Batches split by hand won over single gets. Measured 2026-11 on 2 cores shared with the simulator, Python 3.11,
SpamAssassin mail (6 KB mean), parsing and base64 included, medians of 3 runs over 3,000 messages (1,000 at
100 ms). The simulator's latency is paid once per HTTP answer. CPU ms of this process per message, messages/s:

                            no latency          100 ms
    pycurl   single c=8     0.116    8,565      0.259      78
    pycurl   single c=16    0.109    9,120      0.218     154
    pycurl   single c=32    0.111    9,011      0.178     300
    aiohttp  single c=16    0.248    4,025      0.415     155
    urllib3  single c=16    0.722    1,412      0.938     153
    pycurl   batch50 c=2    0.057   11,280      0.069     859
    pycurl   batch50 c=4    0.066   11,181      0.074   1,535     <- chosen
    pycurl   batch50 c=8    0.049   18,317      0.069   2,260
    aiohttp  batch50 c=4    0.074   13,010      0.087   1,415
    urllib3  batch50 c=4    0.052   10,101      0.078   1,537

Inside batches the libraries hardly differ; pycurl (libcurl) was kept because it needs neither threads nor an
event loop, and bounds the total time, the stalled time and the size of an answer by itself. Four connections
outrun the quota of any one mailbox (5 to 50 gets a second) and stay clear of Gmail's limit on concurrency.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from jobs.gmail import batch, documents
from jobs.gmail.answers import classify, is_gone
from jobs.gmail.api import Call, GmailApi
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import (
    AnswerTooLarge,
    AnswerUnreadable,
    GmailError,
    GmailRefused,
    GmailUnavailable,
    NotSent,
    Throttled,
    TokenRejected,
)
from jobs.gmail.estimates import Estimates, is_near
from jobs.gmail.quota_costs import cost
from jobs.gmail.records import FetchResult, ItemFailure, RawMessage, from_hex
from jobs.gmail.transport import Answer
from storage.model.message_id import to_hex


class Fetch:
    """One call of `GmailClient.fetch`, from its ids to its result."""

    def __init__(
        self,
        config: GmailConfig,
        api: GmailApi,
        ids: Sequence[int],
        now: Callable[[], datetime],
        estimates: Estimates | None = None,
        keep: Callable[[int, memoryview], None] | None = None,
    ) -> None:
        """estimates: what earlier fetches saw of Gmail's estimates of sizes.

        keep: called with an answer about a message that cannot be read.
        """
        self._keep = keep
        self._config, self._api, self._now = config, api, now
        self._estimates = estimates or Estimates()
        self._unsent = list(dict.fromkeys(ids))
        self._messages: list[RawMessage] = []
        self._gone: list[int] = []
        self._failures: list[ItemFailure] = []
        self._throttled: Throttled | None = None
        self._stopped_by: GmailError | None = None
        self._doubtful: dict[int, RawMessage] = {}  # requested once more, because the bytes disagree with the estimate
        self._answered = False  # Gmail reported on at least one message
        self._whole: GmailError | None = None  # the error of a batch as a whole
        self._received_bytes = self._units = self._requests = self._refetched = 0

    def calls(self) -> Iterator[tuple[list[int], Call]]:
        """The next batch, unless the fetch has to stop."""
        while self._unsent and self._stopped_by is None:
            size = self._config.batch_size
            ids, self._unsent = self._unsent[:size], self._unsent[size:]
            yield ids, self._api.get_batch(map(to_hex, ids))

    @property
    def unfinished(self) -> bool:
        """Whether ids are left to request."""
        return bool(self._unsent) and self._stopped_by is None

    def answered(self, ids: list[int], answer: Answer) -> None:
        """Record the response of one batch: charge it, and file each of its ids."""
        self._requests += 1
        self._received_bytes += len(answer.body)
        if answer.sent:
            config = self._config
            self._units += cost(config.profile, "messages.get", len(ids), config.cost_overrides)
        if answer.status == 200:
            self._file_parts(ids, answer)
        else:
            # Even a 404 is about the batch's address here, never about its messages.
            error = answer.fault or classify(answer.status, answer.body, answer.headers, self._now())
            self._whole = self._whole or error
            self._fail(ids, error)
            whole = isinstance(error, Throttled | TokenRejected | GmailRefused)
            self._stop(error if whole else NotSent(f"an earlier batch failed: {error}"))
        if self._received_bytes >= self._config.fetch_limit_bytes:
            self._stop(NotSent(f"{self._received_bytes} bytes arrived before it, as much as one fetch may hold"))

    def result(self) -> FetchResult:
        """The outcome of every id.

        Raises:
            TokenRejected, GmailRefused: the whole call was turned away before anything arrived. Once
                something has, the result is returned instead, because what arrived was paid for.
        """
        landed = self._messages or self._gone
        if isinstance(self._stopped_by, TokenRejected | GmailRefused) and not landed:
            raise self._stopped_by
        if self._stopped_by is not None:
            unsent, self._unsent = self._unsent, []
            self._fail(unsent, self._stopped_by)
        whole = self._whole if isinstance(self._whole, GmailUnavailable | AnswerUnreadable) else None
        return FetchResult(
            self._messages,
            self._gone,
            self._failures,
            self._throttled,
            self._units,
            self._requests,
            None if self._answered else whole,
            self._refetched,
        )

    def _file_parts(self, ids: list[int], answer: Answer) -> None:
        waiting = set(ids)
        try:
            for part in batch.split(answer.headers.get("content-type", ""), answer.body):
                message_id = _waiting_id(part.content_id, waiting)
                if message_id is not None:
                    waiting.discard(message_id)
                    self._file(message_id, part)
        except AnswerUnreadable as error:
            self._whole = self._whole or answer.fault or error
            self._fail([i for i in ids if i in waiting], answer.fault or error)
            return
        missing = [i for i in ids if i in waiting]
        if isinstance(answer.fault, AnswerTooLarge):
            self._fail_too_large(missing, len(missing) == len(ids), answer)
        else:
            if answer.fault is not None and missing:
                self._whole = self._whole or answer.fault
            self._fail(missing, answer.fault or GmailUnavailable("the batch's answer lacks this message"))

    def _fail_too_large(self, missing: list[int], is_all: bool, answer: Answer) -> None:
        """The bound cut a batch short: its messages are too large together, or one is by itself.

        When not even one part is complete, the part that was arriving is too large alone. It is set
        aside, so that every repeat of the others gets further.
        """
        assert answer.fault is not None
        culprit = _waiting_id(batch.first_content_id(answer.body), set(missing)) if is_all else None
        if culprit is not None:
            self._fail([culprit], answer.fault)
        together = GmailUnavailable("its batch was larger than one answer may be")
        self._fail([i for i in missing if i != culprit], together)

    def _file(self, message_id: int, part: batch.BatchPart) -> None:
        self._answered = True
        if part.status == 200:
            try:
                message = documents.read(part.body, documents.raw_message)
                if message.id != message_id:
                    raise AnswerUnreadable(f"it is about the message {to_hex(message.id)}")
            except AnswerUnreadable as error:
                if self._keep is not None:
                    self._keep(message_id, memoryview(part.body))
                self._fail([message_id], error)
            else:
                self._land(message)
        elif is_gone(part.status, part.body):
            self._gone.append(message_id)
        else:
            self._fail([message_id], classify(part.status, part.body, part.headers, self._now()))

    def _land(self, message: RawMessage) -> None:
        """Keep a message. If its bytes disagree with Gmail's estimate, request it once more first."""
        size, before = len(message.raw), self._doubtful.pop(message.id, None)
        if before is None:
            self._estimates.saw(size, message.size_estimate)
        if self._estimates.plausible(size, message.size_estimate):
            self._messages.append(message)
            self._refetched += before is not None and before.raw != message.raw
        elif before is None:
            self._doubtful[message.id] = message
            self._unsent.append(message.id)
        elif before.raw == message.raw and size and is_near(size, message.size_estimate):
            self._messages.append(message)  # twice the same, and about as large as it should be
        else:
            self._land_doubtful(max(before, message, key=lambda found: len(found.raw)))

    def _land_doubtful(self, message: RawMessage) -> None:
        if not message.raw:
            self._fail([message.id], AnswerUnreadable(f"no bytes of about {message.size_estimate}"))
            return
        defect = f"size-estimate:{message.size_estimate}"
        self._messages.append(replace(message, defects=(*message.defects, defect)))

    def _fail(self, ids: list[int], error: GmailError) -> None:
        if isinstance(error, Throttled):
            self._throttled = self._throttled or error
            self._stop(error)
        elif isinstance(error, TokenRejected):
            self._stop(error)
        text = str(error)
        self._failures += [ItemFailure(i, error.kind, text, error.retryable, error.retry_after_s) for i in ids]

    def _stop(self, error: GmailError) -> None:
        self._stopped_by = self._stopped_by or error


def _waiting_id(content_id: str, waiting: set[int]) -> int | None:
    """The id that a part answers; None when it was not asked for, or is answered already."""
    try:
        message_id = from_hex(content_id)
    except AnswerUnreadable:
        return None
    return message_id if message_id in waiting else None
