"""Which records of a history that is read again are new, and which of those are late."""

from actors.overlap import Overlap
from storage.model.records import LabelChange


def change(history_id: int, message_id: int = 1, label: str = "STARRED") -> LabelChange:
    return LabelChange(7, message_id, label, True, history_id)


def read(overlap: Overlap, upto: int, now: float, *changes: LabelChange) -> int:
    """One look at the history; how many records were late."""
    overlap.start(upto, now)
    late = overlap.late(changes)
    overlap.fresh(changes)
    overlap.reached(upto, now)
    return late


def test_a_record_is_late_that_an_earlier_answer_claimed_to_reach_beyond() -> None:
    overlap = Overlap(600.0)
    overlap.reset(100)

    assert read(overlap, 110, 1.0, change(105)) == 0, "new, and so is all that it claims"
    assert read(overlap, 120, 2.0, change(105), change(108, 2), change(115, 3)) == 1
    assert read(overlap, 120, 3.0, change(105), change(108, 2), change(115, 3)) == 0, "late once"
    assert (overlap.is_late(120), overlap.is_late(121)) == (True, False)


def test_nothing_counts_as_late_when_what_was_applied_is_not_remembered() -> None:
    for forget in (Overlap.dropped, lambda overlap: overlap.reset(100)):
        overlap = Overlap(600.0)
        overlap.reset(100)
        read(overlap, 110, 1.0, change(105))
        forget(overlap)

        assert read(overlap, 110, 2.0, change(105), change(106)) == 0
        assert read(overlap, 110, 3.0, change(105), change(106), change(107)) == 1
