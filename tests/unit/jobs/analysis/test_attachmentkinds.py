"""Attachments by their leading bytes."""

import pytest

from jobs.analysis.attachmentkinds import AttachmentKinds, kind_of
from jobs.analysis.mail import Mail
from jobs.mime.parser import parse


def with_files(*files: tuple[str, bytes]) -> Mail:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n"
    for name, content in files:
        raw += b"--b\nContent-Disposition: attachment; filename=" + name.encode() + b"\n\n" + content + b"\n"
    return Mail(parse(raw + b"--b--\n"))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7", "pdf"),
        (b"PK\x03\x04..........word/document.xml", "word"),
        (b"PK\x03\x04..........a.txt", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image"),
        (b"\0\0\0\x18ftypmp42", "video"),
        (b"MZ\x90\0", "executable"),
        (b" <!DOCTYPE html><p>", "html"),
        (b"<?xml version='1.0'?>", "xml"),
        ("grüße".encode() * 100, "text"),
        (("x" * 511 + "ü").encode()[:512], "text"),
        (b"\0\x01\x02", "unknown"),
        (b"\xff\xfe\xfd", "unknown"),
        (b"", "empty"),
    ],
)
def test_leading_bytes_determine_the_kind(head: bytes, kind: str) -> None:
    assert kind_of(head) == kind


def test_a_program_that_is_called_a_document_is_a_mismatch() -> None:
    assert AttachmentKinds().analyse(with_files(("a.pdf", b"MZ\x90 program"), ("b.pdf", b"%PDF-1.4"))) == (
        ["executable", "pdf"], 1, 1
    )  # fmt: skip


def test_a_name_that_runs_is_counted_whatever_the_content() -> None:
    assert AttachmentKinds().analyse(with_files(("photo.jpg.vbs", b"hello"))) == (["text"], 0, 1)


def test_without_attachments_or_their_bytes_there_is_no_answer() -> None:
    known = with_files(("a.pdf", b"%PDF-1.4"))

    assert AttachmentKinds().analyse(Mail(known.message, heads=())) is None
    assert AttachmentKinds().analyse(with_files()) is None
