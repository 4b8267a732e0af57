"""storage/files/kept_answers.py"""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pybase64
import pytest

from storage.files.blobs import LocalBlobs
from storage.files.kept_answers import KeptAnswers, as_answer


def test_the_largest_answer_about_a_message_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    kept = KeptAnswers(LocalBlobs(tmp_path))
    assert (kept.read(1, -5), kept.size(1, -5)) == (None, None)
    for answer in (b"whole answer", b"cut", b""):
        kept.keep(1, -5, answer)

    assert kept.read(1, -5) == b"whole answer" and kept.read(2, -5) is None
    assert kept.size(1, -5) == sum(file.stat().st_size for file in tmp_path.rglob("*.zst"))
    kept.forget(1, -5)
    kept.forget(1, -5)
    assert kept.read(1, -5) is None


def test_a_file_that_a_crash_cut_short_is_written_anew(tmp_path: Path) -> None:
    kept = KeptAnswers(LocalBlobs(tmp_path))
    kept.keep(1, 2, b"answer" * 100)
    [file] = tmp_path.rglob("*.zst")
    file.write_bytes(file.read_bytes()[:9])
    assert kept.read(1, 2) is None

    kept.keep(1, 2, b"answer")

    assert kept.read(1, 2) == b"answer"


def test_a_fetched_message_is_kept_as_gmail_would_give_it() -> None:
    row = {"message_id": 31, "thread_id": -1, "history_id": 7, "labels": ["INBOX"], "snippet": "s", "raw": b"\xff\xfe"}

    document = orjson.loads(as_answer({**row, "received_at": datetime(2026, 11, 1, tzinfo=UTC)}))

    assert (document["id"], document["threadId"], document["internalDate"]) == ("1f", "f" * 16, "1793491200000")
    assert pybase64.urlsafe_b64decode(document["raw"]) == b"\xff\xfe"


def test_a_failed_write_leaves_the_answer_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = LocalBlobs(tmp_path)
    kept = KeptAnswers(blobs)
    kept.keep(1, 2, b"first")

    def full(name: str, chunks: object) -> int:
        raise OSError("no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(blobs, "put", full)
        with pytest.raises(OSError, match="no space left"):
            kept.keep(1, 2, b"first and more")
    assert kept.read(1, 2) == b"first"

    kept.keep(1, 2, b"first and more")
    assert kept.read(1, 2) == b"first and more"
