"""The Gmail client: one mailbox's profile, labels, listing, history and messages.

Holds connections, no secrets: the access token is an argument of every call. It never waits and never
repeats a call; errors say what to do and the shard decides. Threads may share one client.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from jobs.gmail import documents
from jobs.gmail.answers import classify
from jobs.gmail.api import Call, GmailApi
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import HistoryExpired, NotFound
from jobs.gmail.estimates import Estimates
from jobs.gmail.fetch import Fetch
from jobs.gmail.records import FetchResult, HistoryPage, Label, MessagePage, Profile, Watching
from jobs.gmail.transport import Transport
from storage.model.storable import original

R = TypeVar("R")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class GmailClient:
    """Gmail at one endpoint. Connections open on first use and are kept.

    Every method raises `TokenRejected`, `Throttled`, `GmailUnavailable`, `GmailRefused`,
    `AnswerUnreadable` or `AnswerTooLarge`; what `fetch` does instead stands there.
    """

    def __init__(self, config: GmailConfig, now: Callable[[], datetime] = _utc_now) -> None:
        """Raises EndpointUnsafe when the token would travel in the clear."""
        self._config, self._now = config, now
        self._api = GmailApi(config.endpoint)
        self._transport = Transport(config)
        self._estimates = Estimates()

    def profile(self, token: str) -> Profile:
        """Whose mailbox it is, how much is in it, and the newest history id."""
        return self._ask(self._api.profile(), token, documents.profile)

    def labels(self, token: str) -> list[Label]:
        """All labels, the system's and the owner's."""
        return self._ask(self._api.labels(), token, documents.labels)

    def label_total(self, token: str, label_id: str) -> int:
        """Messages that carry a label, by Gmail's count.

        Raises:
            NotFound: there is no such label (any more).
        """
        return self._ask(self._api.label(original(label_id)), token, documents.label_total)

    def list_messages(
        self,
        token: str,
        page_token: str | None = None,
        label_ids: Sequence[str] = (),
        include_spam_trash: bool = True,
        max_results: int = 500,
    ) -> MessagePage:
        """One page of message ids, newest first.

        Args:
            token: an access token.
            page_token: of the page before; None for the first.
            label_ids: only messages that carry all of them.
            include_spam_trash: Gmail's own default leaves Spam and Trash out; a backup does not.
            max_results: ids per page, 1 to 500.
        """
        call = self._api.list_messages(
            page_token, [original(label) for label in label_ids], include_spam_trash, max_results
        )
        return self._ask(call, token, documents.message_page)

    def history(self, token: str, start_history_id: int, page_token: str | None = None) -> HistoryPage:
        """One page of what changed after a history id, in order; may be empty and still carry a token.

        Raises:
            HistoryExpired: Gmail forgot that far back.
        """
        try:
            return self._ask(self._api.history(start_history_id, page_token), token, documents.history_page)
        except NotFound as exc:
            raise HistoryExpired(start_history_id) from exc

    def watch(self, token: str, topic: str) -> Watching:
        """Have Gmail push the mailbox's changes to a Pub/Sub topic ("projects/P/topics/T") for the next days.

        Raises:
            GmailRefused: Gmail may not publish to the topic, or it does not exist.
        """
        return self._ask(self._api.watch(topic), token, documents.watching)

    def fetch(
        self, token: str, ids: Sequence[int], keep: Callable[[int, memoryview], None] | None = None
    ) -> FetchResult:
        """The messages with these ids, raw, in batches over several connections.

        One bad message, batch or connection never fails the others: it is among the failures. A limit
        that Gmail names ends the sending, and what was not sent is handed back uncharged; so do a batch
        refused as a whole and `GmailConfig.fetch_limit_bytes`.

        Args:
            token: an access token.
            ids: message ids; a repeated one is asked for once.
            keep: called with an answer about a message that cannot be read.

        Raises:
            TokenRejected, GmailRefused: the call as a whole was turned away and nothing had arrived.
        """
        fetch = Fetch(self._config, self._api, ids, self._now, self._estimates, keep)
        while fetch.unfinished:  # what is doubtful is asked for once more
            for asked, answer in self._transport.exchange(fetch.calls(), token):
                fetch.answered(asked, answer)
        return fetch.result()

    def close(self) -> None:
        """Close the idle connections; the client can be used again."""
        self._transport.close()

    def _ask(self, call: Call, token: str, reader: Callable[[dict[str, Any]], R]) -> R:
        answer = self._transport.send(call, token)
        if answer.fault is not None:
            raise answer.fault
        if answer.status != 200:
            raise classify(answer.status, answer.body, answer.headers, self._now())
        return documents.read(answer.body, reader)


_clients: dict[str, GmailClient] = {}
_clients_lock = threading.Lock()


def client_of(config: GmailConfig) -> GmailClient:
    """This process's client for a configuration: the same one every time, so its connections are kept."""
    key = config.model_dump_json()
    with _clients_lock:
        if key not in _clients:
            _clients[key] = GmailClient(config)
        return _clients[key]
