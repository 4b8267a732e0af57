"""Files of analyses: orphans and replaced ones are deleted after their grace, and a rebuild finds the newest."""

import os
from datetime import UTC, datetime

import pytest

from storage.catalog import leases
from storage.failpoints import FailPoint, watching
from storage.recovery.rebuild import reconcile
from storage.segments.garbage_collection import sweep
from tests.integration.storage.factory import Shard, echo
from tests.integration.storage.mailbox.analysed import (
    again,
    column,
    compact,
    current,
    files,
    mails,
    said,
    spoil,
)
from tests.integration.storage.recovery.test_rebuild import World, world  # noqa: F401 - a fixture

NOW, GRACE_S = 2_000_000_000.0, 100.0


class Died(BaseException):
    """The process ended here."""


def swept(shard: Shard, retired_s: float = 3600.0) -> list[str]:
    return sweep(shard.blobs, shard.catalog, shard.lease, NOW, GRACE_S, retired_s)


def test_what_was_replaced_or_merged_goes_after_the_grace(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    old = current(shard, segment)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["new"] * rows))
    shard.catalog.reanalysed(shard.lease, segment, old, new)

    assert swept(shard) == []
    assert files(shard) == sorted([str(old), new.name]), "somebody may be reading it"
    assert swept(shard, retired_s=-1) == []
    assert files(shard) == [new.name]
    shard.store(user, *mails(2))
    compact(shard)
    assert swept(shard, retired_s=-1) == []
    [left] = files(shard)
    assert left != new.name and said(shard, user, 1) == ["new"]
    assert [*shard.catalog.analyses(shard.shard_id, datetime.now(UTC))] == [left]


@pytest.mark.parametrize("committed", [True, False])
def test_a_crash_between_writing_and_committing_leaves_an_orphan_that_is_swept(shard: Shard, committed: bool) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)

    def die(point: FailPoint) -> None:
        if point is (FailPoint.ANALYSIS_REPLACED if committed else FailPoint.ANALYSIS_WRITTEN):
            raise Died

    before = files(shard)
    with watching(die), pytest.raises(Died):
        new = again(shard, segment, lambda rows: column("echo", 2, said=["never"] * rows))
        shard.catalog.reanalysed(shard.lease, segment, current(shard, segment), new)

    [orphan] = set(files(shard)) - {*before}
    os.utime(shard.root / orphan, (NOW - GRACE_S + 1, NOW - GRACE_S + 1))
    assert swept(shard) == [], "it may be being written"
    os.utime(shard.root / orphan, (NOW - GRACE_S - 1, NOW - GRACE_S - 1))
    assert swept(shard) == [orphan]
    assert files(shard) == before
    assert said(shard, user, 1) == ["Mail 1"]


def test_an_orphan_is_judged_by_the_epoch_that_wrote_it(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1))
    former = again(shard, segment, lambda rows: column("echo", 1, said=["lost"] * rows)).name
    shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)
    present = again(shard, segment, lambda rows: column("echo", 1, said=["soon"] * rows)).name
    for name in (former, present):
        os.utime(shard.root / name, (NOW, NOW))

    assert swept(shard) == [former]
    assert files(shard) == [present]


def test_a_rebuild_finds_the_newest_analyses(world: World) -> None:  # noqa: F811
    shard, user = world.shard, world.user("ann@example.com")
    segment = shard.store(user, *mails(1, 2), analyse=echo)
    shard.store(user, *mails(3))
    damaged = shard.store(user, *mails(4), analyse=echo)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["new"] * rows))
    shard.catalog.reanalysed(shard.lease, segment, current(shard, segment), new)
    spoil(shard.root / str(current(shard, damaged)), "cut")
    world.roll_up()

    databases, done = world.rebuild()

    assert done.damaged == []
    rebuilt = Shard(databases.shard_database(0), world.root, shard.lease)
    assert said(rebuilt, user, 1, 2, 3, 4) == ["new", "new", None, None]
    [found] = [one for one in rebuilt.catalog.analysed(0) if one.name == segment]
    assert (found.analysis, found.versions) == (new.name, {"echo": 2})
    assert said(shard, user, 1, 2) == ["new", "new"]


def test_a_restored_catalogue_finds_an_analysis_that_is_newer(world: World) -> None:  # noqa: F811
    shard, user = world.shard, world.user("ann@example.com")
    segment = shard.store(user, *mails(1), analyse=echo)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["new"] * rows))
    shard.blobs.delete(str(current(shard, segment)))

    reconcile(world.databases, {0: 0}, shard.blobs, shard.archive)

    assert current(shard, segment) == new.name
    assert said(shard, user, 1) == ["new"]
    shard.blobs.delete(new.name)
    reconcile(world.databases, {0: 0}, shard.blobs, shard.archive)
    assert current(shard, segment) is None
