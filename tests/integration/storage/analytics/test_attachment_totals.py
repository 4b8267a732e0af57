"""What is attached to all mail is counted once a file, and always all of it."""

from collections.abc import Callable

import pytest

from storage.analytics.attachment_totals import Attached, FileTotals
from storage.config import ArchiveConfig
from storage.fulltext.cache import cache_of
from storage.mailbox.segment_files import MailFiles
from storage.model.time_range import EARLIEST, LATEST
from tests.integration.storage.factory import Mail, Shard

FILE = (
    b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename=a\r\n\r\n12345\r\n--b--\r\n"
)


def test_files_are_read_once(new_shard: Callable[[], Shard], monkeypatch: pytest.MonkeyPatch) -> None:
    shard, totals = new_shard(), FileTotals(most=2)
    ann, bob = shard.user(), shard.user()
    asked: list[int] = []
    rows = MailFiles.rows

    def counted(self: MailFiles, question: str, files: list[str], values: dict[str, object]) -> object:
        asked.append(len(files))
        return rows(self, question, files, values)

    monkeypatch.setattr(MailFiles, "rows", counted)

    def of(user: int) -> Attached:
        files = MailFiles(user, shard.engine, shard.blobs, cache_of(ArchiveConfig()))
        return totals.of(user, files, files.names(EARLIEST, LATEST))

    assert of(ann) == Attached()
    shard.store(ann, Mail(1, content=FILE), Mail(2))
    assert of(ann) == of(ann) == Attached(1, 1, 5)
    shard.store(ann, Mail(3))
    shard.store(ann, Mail(4, content=FILE), Mail(5, content=FILE))
    assert of(ann) == Attached(3, 3, 15)
    assert asked == [1, 2]
    assert of(bob) == Attached()
    assert of(ann) == Attached(3, 3, 15)
    assert len(asked) == 3  # two of three were kept
