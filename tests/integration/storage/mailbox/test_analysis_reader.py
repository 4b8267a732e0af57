"""Results of analysers: read beside the mail, replaced by newer ones, and never at the cost of mail."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.mime.message import ParsedMessage
from storage.catalog import leases
from storage.catalog.catalog import AnalysisOutdated
from storage.catalog.compaction import Compactions
from storage.catalog.leases import LeaseLost
from storage.files import duckdb_engine
from storage.files.blobs import FileDamaged
from storage.model.time_range import EARLIEST, LATEST
from storage.segments.file_names import PARQUET_SUFFIX
from tests.integration.storage.factory import Shard, echo
from tests.integration.storage.mailbox.analysed import again, column, current, files, mails, reading, said, spoil
from tests.integration.storage.recovery.test_rebuild import World, world  # noqa: F401 - a fixture


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
