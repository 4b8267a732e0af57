"""Points are told to whoever watches, and to nobody else."""

from storage.failpoints import Point, reached, watching


def test_points_are_told_while_somebody_watches() -> None:
    told: list[Point] = []

    reached(Point.COMMIT_DONE)
    with watching(told.append):
        reached(Point.FILE_BEGUN)
        reached(Point.FILE_SYNCED)
    reached(Point.MERGE_FILE)

    assert told == [Point.FILE_BEGUN, Point.FILE_SYNCED]
