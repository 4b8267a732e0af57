"""Fetched mail into a segment."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import processing
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.running import configured
from jobs.isolation.config import ParseLimits
from jobs.mime.parser import PARSER_FAILED, parse
from storage.config import ArchiveConfig
from storage.files.blobs import open_blobs
from storage.files.raw_file import unpack
from storage.model.location import Location
from storage.model.schemas import DOUBTS, FETCHED

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def fetched(*mails: tuple[int, int, bytes]) -> pa.Table:
    """Mail of (user, message id, bytes)."""
    count = len(mails)
    return pa.table(
        {
            "user_id": [user for user, _, _ in mails],
            "message_id": [message for _, message, _ in mails],
            "thread_id": [1] * count,
            "history_id": [1] * count,
            "received_at": pa.array([NOW] * count, pa.timestamp("ms", "UTC")),
            "labels": [["INBOX"]] * count,
            "snippet": [""] * count,
            "raw": pa.array([raw for _, _, raw in mails], pa.large_binary()),
        },
        schema=FETCHED,
    )


def test_a_segment_holds_the_mail_of_all_mailboxes_sorted_and_bit_exact(tmp_path: Path) -> None:
    archive = ArchiveConfig(uri=tmp_path.as_uri())
    mails = {(2, 9): b"Subject: nine\n\nx", (1, 7): b"\x00\xff garbage", (1, 3): b""}
    tables = [fetched(*((*key, raw) for key, raw in mails.items()))]

    manifest, index = processing.write_segment(archive, 4, 2, tables)

    assert manifest is not None and index is not None
    assert (manifest.messages, manifest.size_bytes, manifest.shard_id, manifest.epoch) == (
        3,
        sum(map(len, mails.values())),
        4,
        2,
    )
    assert {(user.user_id, user.messages) for user in manifest.users} == {(1, 2), (2, 1)}
    rows = index.to_pylist()
    assert [(row["user_id"], row["message_id"]) for row in rows] == [(1, 3), (1, 7), (2, 9)]
    blobs, name = open_blobs(archive.uri), manifest.name + ".raw.zst"
    for row in rows:
        place = Location(
            *(row[column] for column in ("frame_offset", "frame_bytes", "raw_offset", "size_bytes", "sha256"))
        )
        raw = unpack(name, blobs.read(name, place.frame_offset, place.frame_bytes), place)
        assert raw == mails[row["user_id"], row["message_id"]]


def test_what_is_stored_already_is_left_out(tmp_path: Path) -> None:
    archive = ArchiveConfig(uri=tmp_path.as_uri())
    mail = fetched((1, 1, b"a"), (1, 2, b"b"))

    manifest, index = processing.write_segment(archive, 0, 1, [mail], frozenset({(1, 1)}))
    nothing = processing.write_segment(archive, 0, 1, [mail], frozenset({(1, 1), (1, 2)}))

    assert manifest is not None and index is not None
    assert index["message_id"].to_pylist() == [2]
    assert nothing == (None, None)


def test_a_message_on_which_the_parser_fails_costs_only_its_own_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(raw: bytes) -> object:
        if raw == b"poison":
            raise RecursionError
        return parse(raw)

    monkeypatch.setattr(processing, "parse", failing)
    archive = ArchiveConfig(uri=tmp_path.as_uri())

    manifest, _ = processing.write_segment(archive, 0, 1, [fetched((1, 1, b"poison"), (1, 2, b"Subject: good\n\n"))])

    assert manifest is not None and manifest.messages == 2
    table = pq.read_table(tmp_path / f"{manifest.name}.parquet").to_pylist()
    assert [row["subject"] for row in table] == ["", "good"]
    assert table[0]["defects"] == [PARSER_FAILED]


def test_what_is_doubtful_about_an_answer_is_a_defect(tmp_path: Path) -> None:
    archive = ArchiveConfig(uri=tmp_path.as_uri())
    plain, doubtful = fetched((1, 1, b"Subject: a\n\nx")), fetched((1, 2, b"Subject: b\n\ny"))
    doubtful = doubtful.append_column(DOUBTS, pa.array([["size-estimate:600"]], DOUBTS.type))

    manifest, _ = processing.write_segment(archive, 4, 2, [plain, doubtful])

    assert manifest is not None
    stored = pq.read_table(tmp_path / f"{manifest.name}.parquet", columns=["message_id", "defects"]).to_pylist()
    defects = {row["message_id"]: row["defects"] for row in stored}
    assert defects[2] == [*defects[1], "size-estimate:600"]


def test_a_batch_that_exhausts_memory_loses_one_message_of_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausting(raw: bytes) -> object:
        if b"planted-eater" in raw:
            raise MemoryError
        return parse(raw)

    monkeypatch.setattr(processing, "parse", exhausting)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "hostile" / "planted"))
    mails = fetched((1, 1, b"Subject: bad\n\nplanted-eater"), (1, 2, b"Subject: good\n\nx"))
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None

    manifest, _ = processing.write_segment(
        ArchiveConfig(uri=tmp_path.as_uri()),
        0,
        1,
        [mails],
        analyse=analysers.all,
        limits=ParseLimits(memory_bytes=1 << 30, message_s=30),
    )

    assert manifest is not None and manifest.analysis is not None
    table = pq.read_table(tmp_path / f"{manifest.name}.parquet").to_pylist()
    assert [(row["subject"], row["text"], row["defects"]) for row in table] == [
        ("bad", "", ["parser-memory"]),
        ("good", "x", ["no-date"]),
    ]
    analysis = pq.read_table(tmp_path / manifest.analysis.name)
    assert analysis.num_rows == 2
    assert [row is None for row in analysis["language"].to_pylist()] == [True, False]
