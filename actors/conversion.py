"""Converts Gmail's answers to outcomes of the shard's decisions. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from actors.decisions import Changed, Failure, Fetched
from jobs.gmail.records import HistoryPage, LabelChanged, MessageAdded, MessageDeleted
from jobs.intake import FetchReceipt
from storage.model.records import DELETED, LabelChange

#: Failures before Gmail processed the request: they do not count as attempts.
_UNCHARGED = frozenset({"throttled", "not_sent"})
#: Stored messages: their threads, and whether they are deleted.
Known = Mapping[int, tuple[int, bool]]


def fetched(receipt: FetchReceipt, reference: object) -> Fetched:
    """The outcome of a fetch task."""
    throttled = receipt.throttled
    return Fetched(
        landed=receipt.landed,
        gone=receipt.gone,
        failures=tuple(
            Failure(
                message_id=failure.message_id,
                error=failure.error,
                retryable=failure.retryable,
                charged=failure.kind not in _UNCHARGED,
                retry_after_s=failure.retry_after_s,
            )
            for failure in receipt.failures
        ),
        size_bytes=receipt.size_bytes,
        reference=reference,
        units=receipt.units,
        pause_s=None if throttled is None else throttled.retry_after_s or 1.0,
        pause_scope="user" if throttled is None else throttled.scope,
        classified=receipt.classified,
        refetched=receipt.refetched,
    )


def without(outcome: Fetched, history_ids: Sequence[int], newest: int, units: int) -> Fetched:
    """The fetch's outcome, with messages whose history ids are beyond the mailbox's newest marked as failed.

    Such an id would make all later changes of the message look old.

    Args:
        history_ids: of the fetched messages, in their order. units: the cost of reading the newest history id.
    """
    beyond = {key: number for key, number in zip(outcome.landed, history_ids, strict=True) if number > newest}
    failures = tuple(
        Failure(key, f"it names the history id {number}, and the mailbox is at {newest}", True, True)
        for key, number in beyond.items()
    )
    return replace(
        outcome,
        landed=tuple(key for key in outcome.landed if key not in beyond),
        failures=(*outcome.failures, *failures),
        units=outcome.units + units,
        withheld=tuple(beyond),
    )


def added_threads(page: HistoryPage) -> dict[int, int]:
    """The messages that a page of history reports as added, in order, and their threads."""
    return {change.message_id: change.thread_id for change in page.changes if isinstance(change, MessageAdded)}


def differing_threads(claimed: Mapping[int, int], known: Known) -> dict[int, int]:
    """The threads of messages whose stored thread differs."""
    return {key: thread_id for key, thread_id in claimed.items() if key in known and known[key][0] != thread_id}


def agreeing_threads(claimed: Mapping[int, int], said: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    """The threads on which two answers agree."""
    return tuple((key, thread_id) for key, thread_id in claimed.items() if said.get(key) == thread_id)


def changed(user_id: int, page: HistoryPage, known: Known) -> Changed:
    """A page of history.

    An inner page reaches its last change; only the last page reaches the mailbox's present history id.

    Args:
        known: the stored ones of the messages that the page reports as added.
    """
    added = added_threads(page)
    upto = max((change.history_id for change in page.changes), default=None)
    return Changed(
        unknown=tuple(key for key in added if key not in known),
        changes=tuple(
            LabelChange(user_id, change.message_id, change.label_id, change.on, change.history_id)
            if isinstance(change, LabelChanged)
            else LabelChange(user_id, change.message_id, DELETED, True, change.history_id)
            for change in page.changes
            if isinstance(change, LabelChanged | MessageDeleted)
        ),
        upto=page.history_id if page.next_page_token is None else upto,
        next_page_token=page.next_page_token,
        returned=tuple(key for key in added if key in known and known[key][1]),
        unreadable=page.unreadable,
        added_at=tuple(
            (change.message_id, change.history_id)
            for change in page.changes
            if isinstance(change, MessageAdded) and change.message_id not in known
        ),
    )
