"""What analysers say: beside the mail, in step with it through every change of its files, and never at its cost."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.mime.message import ParsedMessage
from storage.catalog import leases
from storage.catalog.catalog import AnalysisOutdated
from storage.catalog.compaction import CompactionOutdated, Compactions
from storage.catalog.leases import LeaseLost
from storage.failpoints import FailPoint, watching
from storage.files import duckdb_engine
from storage.files.blobs import FileDamaged
from storage.mailbox.analysis_reader import Analyses
from storage.model.records import AnalysisManifest, Merged
from storage.model.time_range import EARLIEST, LATEST
from storage.recovery.rebuild import reconcile
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX
from storage.segments.garbage_collection import sweep
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import NOON, Mail, Shard, echo
from tests.integration.storage.recovery.test_rebuild import World, world  # noqa: F401 - a fixture

NOW, GRACE_S = 2_000_000_000.0, 100.0


class Died(BaseException):
    """The process ended here."""


def column(name: str, version: int, **fields: Sequence[Any]) -> pa.Table:
    """What one analyser says; None in every field: nothing of this message."""
    rows = [
        {"version": version, "error": None, **dict(zip(fields, row, strict=True))}
        for row in zip(*fields.values(), strict=True)
    ]
    kind = pa.struct(
        [
            pa.field("version", pa.int16(), nullable=False),
            pa.field("error", pa.string()),
            *((field, pa.array(values).type) for field, values in fields.items()),
        ]
    )
    return pa.table({name: pa.array(rows, kind)})


def mails(*numbers: int) -> list[Mail]:
    return [Mail(n, subject=f"Mail {n}", received_at=NOON + timedelta(hours=n)) for n in numbers]


def reading(shard: Shard, user_id: int) -> Analyses:
    return Analyses(user_id, shard.engine, shard.blobs)


def said(shard: Shard, user_id: int, *numbers: int) -> list[Any]:
    """What the analyser said of messages."""
    found = [reading(shard, user_id).of(number) for number in numbers]
    return [one["echo"]["said"] if one and "echo" in one else None for one in found]


def again(shard: Shard, segment: str, said_of: Callable[[int], pa.Table], epoch: int | None = None) -> AnalysisManifest:
    """Write another analysis of a segment; nothing is committed."""
    with pq.ParquetFile(shard.root / (segment + PARQUET_SUFFIX)) as parquet:
        keys = parquet.read(columns=["user_id", "message_id"])
    return analysis_file.write(
        shard.blobs, 3, segment, epoch or shard.lease.epoch, keys, said_of(keys.num_rows), [keys.num_rows]
    )


def current(shard: Shard, segment: str) -> str | None:
    [found] = [one for one in shard.catalog.analysed(shard.shard_id) if one.name == segment]
    return found.analysis


def compact(shard: Shard) -> Merged:
    live = Compactions(shard.engine).live(shard.shard_id)
    analyses = {segment.name: segment.analysis for segment in live if segment.analysis}
    epoch = shard.lease.epoch
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, epoch, [one.name for one in live], analyses)
    assert Compactions(shard.engine).commit(shard.lease, merged, moved)
    return merged


def files(shard: Shard) -> list[str]:
    return sorted(file.name for file in shard.blobs.list(f"{shard.shard_id:04d}") if analysis_file.origin(file.name))


def test_an_analysis_is_committed_with_its_mail_and_read_with_it(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    manifest, index = shard.write((ann, mails(2, 1)), (bob, mails(1)), analyse=echo)
    assert manifest.analysis is not None and manifest.analysis.versions == (("echo", 1),)
    assert reading(shard, ann).of(1) is None

    assert shard.catalog.commit(shard.plan([ann, bob], manifest), index)

    assert reading(shard, ann).of(1) == {"echo": {"version": 1, "said": "Mail 1"}}
    email = shard.reader(ann).email(2)
    assert email is not None and email.analysis == {"echo": {"version": 1, "said": "Mail 2"}}
    assert reading(shard, bob).of(2) is None, "another user's"
    assert reading(shard, bob).table().to_pylist() == [
        {"user_id": bob, "message_id": 1, "echo": {"version": 1, "error": None, "said": "Mail 1"}}
    ]
    [live] = Compactions(shard.engine).live(shard.shard_id)
    words = manifest.words_bytes or 0
    expected = manifest.raw_bytes + manifest.parquet_bytes + words + manifest.analysis.size_bytes
    assert (live.analysis, live.stored_bytes) == (manifest.analysis.name, expected)


def test_mail_that_was_not_analysed_has_none(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1))

    email = shard.reader(user).email(1)
    assert email is not None and email.analysis is None
    assert reading(shard, user).table(["echo"]).num_rows == 0


def test_a_failing_analysis_never_costs_the_mail(shard: Shard) -> None:
    def fails(_messages: Sequence[ParsedMessage]) -> pa.Table:
        raise RuntimeError

    user = shard.user()
    shard.store(user, *mails(1), analyse=fails)

    assert shard.reader(user).raw(1) == mails(1)[0].raw
    assert files(shard) == []


def test_its_rows_stand_as_the_messages_do_and_views_over_mail_pass_it_by(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(5, 3, 4), analyse=echo)

    name = current(shard, segment)
    assert name is not None
    with pq.ParquetFile(shard.root / name) as ours, pq.ParquetFile(shard.root / (segment + PARQUET_SUFFIX)) as theirs:
        assert ours.read(["user_id", "message_id"]).equals(theirs.read(["user_id", "message_id"]))
        assert ours.num_row_groups == theirs.num_row_groups
    assert [path.suffix for path in shard.root.glob(f"{segment}*.parquet")] == [".parquet"]
    file = str(shard.root / name)
    found = duckdb.execute("SELECT echo.said FROM read_parquet($file)", {"file": [file]}).fetchall()
    assert [row[0] for row in found] == ["Mail 3", "Mail 4", "Mail 5"], "by a foreign reader"


def test_a_new_analysis_takes_the_place_of_the_old(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1, 2), analyse=echo)
    old = current(shard, segment)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["new"] * rows))

    assert shard.catalog.reanalysed(shard.lease, segment, old, new)

    assert reading(shard, user).of(1) == {"echo": {"version": 2, "said": "new"}}
    assert not shard.catalog.reanalysed(shard.lease, segment, old, new), "a repetition"
    other = again(shard, segment, lambda rows: column("echo", 3, said=["lost"] * rows))
    with pytest.raises(AnalysisOutdated):
        shard.catalog.reanalysed(shard.lease, segment, old, other)
    with pytest.raises(AnalysisOutdated):
        shard.catalog.reanalysed(shard.lease, segment, None, other)
    assert said(shard, user, 1, 2) == ["new", "new"]


def test_an_old_segment_gets_its_first_analysis(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1))
    new = again(shard, segment, lambda rows: column("echo", 1, said=["first"] * rows))

    assert shard.catalog.reanalysed(shard.lease, segment, None, new)
    assert said(shard, user, 1) == ["first"]


def test_a_former_owner_replaces_nothing(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["stale"] * rows))
    former = shard.lease
    shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)

    with pytest.raises(LeaseLost):
        shard.catalog.reanalysed(former, segment, current(shard, segment), new)
    assert said(shard, user, 1) == ["Mail 1"]


def test_a_mixture_of_versions_and_analysers_is_read_as_one_table(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1), analyse=echo)
    shard.store(user, *mails(2))
    segment = shard.store(user, *mails(3), analyse=echo)
    new = column("echo", 2, said=["new"], score=[0.5]).append_column("other", column("other", 7, n=[9])["other"])
    shard.catalog.reanalysed(shard.lease, segment, current(shard, segment), again(shard, segment, lambda _: new))

    rows = {row.pop("message_id"): row for row in reading(shard, user).table().to_pylist()}

    assert rows == {
        1: {"user_id": user, "echo": {"version": 1, "error": None, "said": "Mail 1", "score": None}, "other": None},
        3: {
            "user_id": user,
            "echo": {"version": 2, "error": None, "said": "new", "score": 0.5},
            "other": {"version": 7, "error": None, "n": 9},
        },
    }
    assert reading(shard, user).table(["other"]).column_names == ["user_id", "message_id", "other"]


def test_a_question_joins_analyses_with_messages(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1, 2), analyse=echo)
    parquet = [shard.blobs.location(name) for name in shard.reader(user)._files.names(EARLIEST, LATEST)]
    statement = (
        "SELECT m.subject, analysis.echo.said FROM read_parquet($files, hive_partitioning = false) AS m"
        " JOIN analysis USING (user_id, message_id)"
        " WHERE m.user_id = $user_id AND analysis.echo.version >= $version ORDER BY 1"
    )

    tables = {"analysis": reading(shard, user).table(["echo"])}
    found = duckdb_engine.ask(statement, parquet, {"version": 1, "user_id": user}, tables).to_pylist()

    assert found == [{"subject": f"Mail {n}", "said": f"Mail {n}"} for n in (1, 2)]
    nobody = pa.schema([pa.field("nobody", pa.struct([("version", pa.int16())]))])
    tables = {"analysis": reading(shard, user).conformed(nobody, EARLIEST, LATEST)}
    assert duckdb_engine.ask("SELECT count(nobody.version) AS n FROM analysis", [], {}, tables).to_pylist() == [
        {"n": 0}
    ]


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_file_is_named_and_the_mail_is_read_all_the_same(shard: Shard, damage: str) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    name = current(shard, segment)
    assert name is not None
    spoil(shard.root / name, damage)

    with pytest.raises(FileDamaged) as caught:
        reading(shard, user).table()
    assert caught.value.name == name
    email = shard.reader(user).email(1)
    assert email is not None and (email.analysis, email.text.strip()) == (None, "Good morning.")


def spoil(path: Path, damage: str) -> None:
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
        return
    data[40:60] = bytes(20)
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)


def test_a_merge_keeps_every_row_with_its_message(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    for start in range(3):
        numbers = range(1 + start, 40, 3)
        manifest, index = shard.write((bob, mails(*numbers)), (ann, mails(*numbers)), analyse=echo)
        shard.catalog.commit(shard.plan([ann, bob], manifest), index)
    shard.store(ann, *mails(50, 0))

    merged = compact(shard)

    assert merged.segment is not None and merged.segment.analysis is not None
    assert merged.segment.analysis.versions == (("echo", 0),), "of some rows it says nothing"
    for user in (ann, bob):
        assert said(shard, user, *range(1, 40)) == [f"Mail {n}" for n in range(1, 40)]
    assert said(shard, ann, 50, 0) == [None, None]
    with pq.ParquetFile(shard.root / (merged.segment.name + PARQUET_SUFFIX)) as theirs:
        keys = theirs.read(columns=["user_id", "message_id"])
    assert analysis_file.manifest_of(shard.blobs, merged.segment.analysis.name, keys) == merged.segment.analysis


def test_a_merge_without_any_analysis_has_none(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1))
    shard.store(user, *mails(2))

    merged = compact(shard)
    assert merged.segment is not None and merged.segment.analysis is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_analysis_never_keeps_mail_from_being_merged(shard: Shard, damage: str) -> None:
    user = shard.user()
    spoiled = current(shard, shard.store(user, *mails(1), analyse=echo))
    shard.store(user, *mails(2), analyse=echo)
    spoil(shard.root / str(spoiled), damage)

    merged = compact(shard)

    assert merged.excluded == ()
    assert said(shard, user, 1, 2) == [None, "Mail 2"]


def test_a_merge_of_an_analysis_that_was_replaced_meanwhile_is_told(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    shard.store(user, *mails(2), analyse=echo)
    live = Compactions(shard.engine).live(shard.shard_id)
    analyses = {one.name: one.analysis for one in live if one.analysis}
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, 1, [*analyses], analyses)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["new"] * rows))
    shard.catalog.reanalysed(shard.lease, segment, current(shard, segment), new)

    with pytest.raises(CompactionOutdated):
        Compactions(shard.engine).commit(shard.lease, merged, moved)
    compact(shard)
    assert said(shard, user, 1, 2) == ["new", "Mail 2"]


def test_an_analysis_of_a_segment_that_was_merged_meanwhile_is_told(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    old = current(shard, segment)
    shard.store(user, *mails(2))
    new = again(shard, segment, lambda rows: column("echo", 2, said=["late"] * rows))
    compact(shard)

    with pytest.raises(AnalysisOutdated):
        shard.catalog.reanalysed(shard.lease, segment, old, new)
    assert said(shard, user, 1) == ["Mail 1"]


def test_a_failed_merge_leaves_no_analysis(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1), analyse=echo)
    shard.store(user, *mails(2), analyse=echo)
    before = files(shard)

    def full(point: FailPoint) -> None:
        if point is FailPoint.MERGE_WRITTEN:
            raise OSError(28, "No space left on device")

    with watching(full), pytest.raises(OSError, match="No space"):
        compact(shard)
    assert files(shard) == before


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
