"""Points are told to whoever watches, and to nobody else."""

from storage.failpoints import FailPoint, hit, watching


def test_points_are_told_while_somebody_watches() -> None:
    told: list[FailPoint] = []

    hit(FailPoint.COMMIT_DONE)
    with watching(told.append):
        hit(FailPoint.FILE_BEGUN)
        hit(FailPoint.FILE_SYNCED)
    hit(FailPoint.MERGE_FILE)

    assert told == [FailPoint.FILE_BEGUN, FailPoint.FILE_SYNCED]
