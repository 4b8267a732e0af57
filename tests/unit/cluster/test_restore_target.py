"""What a restore believes of its target: cluster/restore_ports.py and cluster/restore_planning.py"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.restore_planning import fetched, living
from cluster.restore_ports import TargetCalls
from jobs.gmail.errors import AnswerUnreadable, GmailError, NotFound
from jobs.gmail.records import MessagePage
from jobs.restoring.planning import TargetMessage
from storage.control.restore_records import RestoreMessage

_AT = datetime(2024, 5, 1, tzinfo=UTC)


class _Gmail:
    """A mailbox whose listings and totals are given in advance; the last of each is repeated."""

    def __init__(self, listings: Sequence[Sequence[MessagePage]], totals: Sequence[int]) -> None:
        self._listings, self._totals = [list(pages) for pages in listings], list(totals)
        self._pages: list[MessagePage] = []
        self.listings = 0

    def messages_total(self, _token: str) -> int:
        return self._totals.pop(0) if len(self._totals) > 1 else self._totals[0]

    def page(self, _token: str, page_token: str | None, _label_ids: Sequence[str] = ()) -> MessagePage:
        if page_token is None:
            self._pages = list(self._listings.pop(0) if len(self._listings) > 1 else self._listings[0])
            self.listings += 1
        return self._pages.pop(0) if len(self._pages) > 1 else self._pages[0]


class _Port:
    """Quota, token and threads without waiting."""

    async def take(self, _method: str) -> None: ...

    def returned(self, _method: str) -> None: ...

    async def get(self) -> str:
        return "token"

    async def sleep(self, _seconds: float) -> None: ...

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)


def _calls(gmail: Any) -> TargetCalls:
    port: Any = _Port()
    return TargetCalls(gmail, port, port, port)


def _pages(*ids: int, unreadable: int = 0) -> list[MessagePage]:
    last = MessagePage(list(ids[1:]), None, len(ids), ("?",) * unreadable)
    return [MessagePage(list(ids[:1]), "next", len(ids)), last]


@pytest.mark.parametrize(
    ("listings", "totals", "found", "listed"),
    [
        ([_pages(1, 2, 3)], [3], {1, 2, 3}, 1),
        ([_pages(1, 2, unreadable=1)], [3], {1, 2}, 1),
        ([_pages(1, 2)], [2, 3], {1, 2}, 1),
        ([_pages(1, 2), _pages(1, 2, 3)], [3], {1, 2, 3}, 2),
        ([_pages(1, 2), _pages(1, 2)], [9], {1, 2}, 2),
    ],
    ids=["complete", "an id cannot be read", "mail came meanwhile", "one was left out", "the total is wrong"],
)
def test_a_listing_is_believed_when_another_source_agrees(
    listings: list[list[MessagePage]], totals: list[int], found: set[int], listed: int
) -> None:
    gmail = _Gmail(listings, totals)
    assert asyncio.run(_calls(gmail).ids()) == found
    assert gmail.listings == listed


@pytest.mark.parametrize(
    "listings",
    [[_pages(1), _pages(1, 2), _pages(2), _pages(1, 3)], [[MessagePage([1], "next", 1)]]],
    ids=["each listing is another", "a page token comes again"],
)
def test_a_listing_that_nothing_confirms_is_not_believed(listings: list[list[MessagePage]]) -> None:
    with pytest.raises(AnswerUnreadable) as told:
        asyncio.run(_calls(_Gmail(listings, [9])).ids())
    assert told.value.retryable


def _digests(answers: Mapping[int, GmailError | None]) -> Any:
    asked: list[int] = []

    async def digest(message_id: int) -> tuple[bytes, int]:
        asked.append(message_id)
        if (fault := answers[message_id]) is not None:
            raise fault
        return b"x", 7

    return SimpleNamespace(digest=digest, asked=asked)


_SELECTED = [RestoreMessage(1, 0, 1, _AT, b"x", 1, ())]
_UNLISTED = {number: TargetMessage(b"x" if number < 4 else b"other", 7) for number in range(1, 6)}


def test_a_message_that_the_listing_lacks_is_asked_for_before_it_counts_as_missing() -> None:
    calls = _digests({1: NotFound("gone"), 2: None, 3: AnswerUnreadable("torn")})
    assert asyncio.run(living(_SELECTED, _UNLISTED, calls, 10)).keys() == {2, 3}
    assert calls.asked == [1, 2, 3], "nobody asks for what is not selected"


def test_a_message_of_the_target_that_cannot_be_read_does_not_hold_up_the_plan() -> None:
    calls = _digests({1: AnswerUnreadable("torn"), 2: None, 3: NotFound("gone")})
    assert asyncio.run(fetched([3, 2, 1], calls)) == {2: TargetMessage(b"x", 7)}


def test_an_answer_that_stays_unreadable_is_asked_for_a_few_times_only() -> None:
    asked: list[int] = []

    def digest(_token: str, message_id: int) -> tuple[bytes, int]:
        asked.append(message_id)
        raise AnswerUnreadable("torn")

    with pytest.raises(AnswerUnreadable):
        asyncio.run(_calls(SimpleNamespace(digest=digest)).digest(1))
    assert asked == [1, 1, 1]


def test_a_listing_that_is_wrong_about_some_is_not_believed_about_the_rest() -> None:
    calls = _digests({1: NotFound("gone"), 2: None})
    with pytest.raises(AnswerUnreadable):
        asyncio.run(living(_SELECTED, _UNLISTED, calls, 2))
    gone = _digests({1: NotFound("gone"), 2: NotFound("gone")})
    assert asyncio.run(living(_SELECTED, _UNLISTED, gone, 2)) == {}
