"""Whatever a message is made of, its exact bytes come back from an mbox."""

import hashlib
import io
import mailbox
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from jobs.exporting.folders import flags
from jobs.exporting.mbox import MboxWriter
from jobs.exporting.records import ExportSource
from storage.model.location import Location
from storage.model.results import Stored
from tests.unit.jobs.exporting.recipe import exact_messages

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def stored(number: int, raw: bytes = b"", labels: tuple[str, ...] = (), deleted_at: datetime | None = None) -> Stored:
    location = Location(0, 0, 0, len(raw), hashlib.sha256(raw).digest())
    return Stored(number, number, NOON, labels, len(raw), deleted_at, "0000/1", location)


def written(raws: list[bytes], labels: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    writer = MboxWriter(file, ExportSource("ann@example.com", NOON, labels=labels or {}))
    for number, raw in enumerate(raws):
        writer.add(stored(number, raw, tuple(labels or ())), raw)
    return file.getvalue()


lines = st.sampled_from([b"From a", b">From b", b">>From ", b"from", b"", b">", b"X-GBM-Size: 3", b"\xff\x00", b"a"])
raws = st.lists(st.lists(lines | st.sampled_from([b"\n", b"\r\n", b"\r"]), max_size=8).map(b"".join), max_size=4)


@given(raws)
@example([b"From x\n", b"", b"\n\n\n", b"no end"])
def test_the_documented_way_back_gives_the_exact_bytes(raws: list[bytes]) -> None:
    assert [raw for _, _, raw in exact_messages(written(raws))] == raws


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=90), max_size=6))
def test_no_label_can_add_a_header_or_a_message(labels: dict[str, str]) -> None:
    [(_, head, raw)] = exact_messages(written([b"Subject: x\n\ny"], labels))

    assert raw == b"Subject: x\n\ny"
    assert {name for name in head if not name.startswith("X-GBM-")} == {"X-GM-THRID", "X-Gmail-Labels"}


def test_other_programs_find_the_messages(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(written([b"Subject: one\r\n\r\nFrom here\r\n", b"Subject: two\n\nend"]))

    with closing(mailbox.mbox(tmp_path / "mail", create=False)) as box:
        assert [mail["Subject"] for mail in box] == ["one", "two"]


def test_flags_stand_for_labels() -> None:
    assert flags(stored(1, labels=("UNREAD",))) == ""
    assert flags(stored(1, labels=("DRAFT", "STARRED", "TRASH"))) == "DFST"
    assert flags(stored(1, deleted_at=NOON)) == "ST"
