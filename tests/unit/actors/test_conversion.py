"""Gmail's answers in the shard's terms."""

from actors.conversion import added_threads, agreeing_threads, changed, differing_threads, fetched
from actors.decisions import Failure
from jobs.gmail.errors import Throttled
from jobs.gmail.records import HistoryPage, ItemFailure, LabelChanged, MessageAdded, MessageDeleted
from jobs.intake import FetchReceipt
from storage.model.records import DELETED, LabelChange


def test_only_what_gmail_was_asked_for_counts_as_an_attempt() -> None:
    kinds = ("throttled", "not_sent", "unavailable", "refused")
    failures = tuple(ItemFailure(n, kind, "wrong", kind != "refused", None) for n, kind in enumerate(kinds))

    outcome = fetched(FetchReceipt((9,), (8,), failures, 100, 60, None), "mail")

    assert (outcome.landed, outcome.gone, outcome.size_bytes, outcome.units) == ((9,), (8,), 100, 60)
    assert (outcome.reference, outcome.pause_s) == ("mail", None)
    assert [failure.charged for failure in outcome.failures] == [False, False, True, True]
    assert outcome.failures[3] == Failure(3, "wrong", retryable=False, charged=True)


def test_a_limit_pauses_for_as_long_as_gmail_says_or_a_second() -> None:
    told = fetched(FetchReceipt((), (), (), 0, 0, Throttled("project", 7.0, "slow")), None)
    untold = fetched(FetchReceipt((), (), (), 0, 0, Throttled("user", None, "slow")), None)

    assert (told.pause_s, told.pause_scope) == (7.0, "project")
    assert (untold.pause_s, untold.pause_scope) == (1.0, "user")


def test_a_page_in_the_middle_reaches_to_its_last_change() -> None:
    page = HistoryPage([MessageAdded(1, 1, (), 11), MessageAdded(1, 1, (), 12), MessageAdded(2, 2, (), 13)], "next", 99)

    outcome = changed(5, page, {2: (2, True)})

    assert (outcome.unknown, outcome.upto, outcome.next_page_token) == ((1,), 13, "next")
    assert outcome.returned == (2,)


def test_the_last_page_reaches_gmails_present() -> None:
    page = HistoryPage([LabelChanged(1, "STARRED", True, 11), MessageDeleted(2, 12)], None, 99)

    outcome = changed(5, page, {})

    assert outcome.upto == 99
    assert outcome.changes == (LabelChange(5, 1, "STARRED", True, 11), LabelChange(5, 2, DELETED, True, 12))


def test_an_empty_page_with_a_token_reaches_nowhere() -> None:
    outcome = changed(5, HistoryPage([], "next", 99), {})

    assert (outcome.upto, outcome.unknown, outcome.changes) == (None, (), ())


def test_a_thread_is_mended_only_where_two_answers_contradict_what_is_stored() -> None:
    page = HistoryPage([MessageAdded(key, thread, (), 11) for key, thread in ((1, 10), (2, 20), (3, 30))], None, 99)
    known = {1: (10, False), 2: (21, False)}

    differing = differing_threads(added_threads(page), known)

    assert differing == {2: 20}
    assert agreeing_threads(differing, {2: 20}) == ((2, 20),)
    assert agreeing_threads(differing, {2: 21}) == agreeing_threads(differing, {}) == ()
