"""Points are told to whoever watches, and to nobody else."""

from storage.failpoints import FailPoint, hit, watching


def test_points_call_the_watcher_until_the_block_ends() -> None:
    told: list[FailPoint] = []

    hit(FailPoint.COMMIT_DONE)
    with watching(told.append):
        hit(FailPoint.FILE_BEGUN)
        hit(FailPoint.FILE_SYNCED)
    hit(FailPoint.MERGE_FILE)

    assert told == [FailPoint.FILE_BEGUN, FailPoint.FILE_SYNCED]
