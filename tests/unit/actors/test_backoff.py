"""What is asked less after calls failed."""

from actors.backoff import Concurrency, ErrorBackoff


def test_a_mailbox_has_what_is_configured_until_gmail_refuses() -> None:
    concurrency = Concurrency(4)
    concurrency.refused(1)

    assert (concurrency.limit(1), concurrency.limit(2)) == (2, 4)


def test_one_fetch_is_always_allowed() -> None:
    concurrency = Concurrency(3)
    for _ in range(10):
        concurrency.refused(1)

    assert concurrency.limit(1) == 1


def test_the_limit_grows_by_one_with_every_round_that_passes_and_no_further_than_configured() -> None:
    concurrency = Concurrency(4)
    concurrency.refused(1)
    concurrency.refused(1)

    limits = []
    for _ in range(12):
        concurrency.passed(1)
        limits.append(concurrency.limit(1))

    assert limits[:4] == [2, 2, 2, 3]
    assert limits[-1] == 4 and sorted(limits) == limits


def test_pauses_double_while_calls_fail_in_a_row_and_gmails_wish_counts() -> None:
    troubles = ErrorBackoff(first_pause_s=1.0)

    assert [troubles.pause_s(1, None) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (troubles.pause_s(1, 90.0), troubles.pause_s(2, None)) == (90.0, 1.0)
    troubles.over(1)
    assert troubles.pause_s(1, None) == 1
