"""Mail as it lies on disk."""

import io
import mailbox
import pickle
import re
import tarfile
from pathlib import Path

import pytest

from cluster.simulator.errors import PortOccupied
from jobs.importing import mail_files
from jobs.importing.errors import MailNotFound, MailTooLarge, MailUnreadable
from jobs.importing.mail_files import read_mail

_ONE, _TWO = b"Subject: one\r\n\r\n\xff first\r\n", b"Subject: two\r\n\r\nsecond\r\n"

_POSTMARK = b"From a@b Tue Jul  5 18:44:15 2022\n"
_TAKEOUT = b"From 17@xxx Tue Jul 05 18:44:15 +0000 2022\r\n"


def _raws(path: Path) -> list[bytes]:
    return [mail.raw for mail in read_mail(path)]


def _tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_one_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(_ONE)

    assert _raws(tmp_path / "a.eml") == [_ONE]


def test_a_folder_is_read_in_order_and_deep(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "2.EML").write_bytes(_TWO)
    (tmp_path / "a.eml").write_bytes(_ONE)
    (tmp_path / "notes.txt").write_bytes(b"not mail")

    assert [mail.name for mail in read_mail(tmp_path)] == ["a.eml", "b/c/2.EML"]
    assert _raws(tmp_path) == [_ONE, _TWO]


def test_a_maildir_is_a_folder_too(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "mail", create=True)
    box.add(b"Subject: in a maildir\n\nbody\n")

    assert _raws(tmp_path / "mail") == [b"Subject: in a maildir\n\nbody\n"]


@pytest.mark.parametrize(("name", "mode"), [("m.tar.gz", "w:gz"), ("m.tgz", "w:gz"), ("m.tar", "w")])
def test_an_archive_gives_its_mail_exactly(tmp_path: Path, name: str, mode: str) -> None:
    path = _tar(tmp_path / name, {"x/1.eml": _ONE, "x/readme.txt": b"no", "x/2.eml": _TWO}, mode)

    assert _raws(path) == [_ONE, _TWO]
    assert sorted(p.name for p in tmp_path.iterdir()) == [name]


def test_an_mbox_is_split_and_unquoted(tmp_path: Path) -> None:
    path = tmp_path / "takeout.mbox"
    path.write_bytes(
        b"From x@y Mon Jan  1 00:00:00 2024\nSubject: one\n\nFrom here it is text\n>From there\n>>From both\n\n"
        b"From z@y Mon Jan  1 00:00:00 2024\nSubject: two\n\nend\n\n"
    )

    assert _raws(path) == [
        b"Subject: one\n\nFrom here it is text\nFrom there\n>From both\n",
        b"Subject: two\n\nend\n",
    ]


@pytest.mark.parametrize(
    ("content", "subjects"),
    [
        (b"From \nFrom: a@b.c\nSubject: 1\n\nx\n\nFrom \nFrom: d@e.f\nSubject: 2\n\ny\n", [b"1", b"2"]),
        (b"From - Tue Jul 05 18:44:15 2022\nX-Mozilla-Status: 1\nSubject: 1\n\nx\n", [b"1"]),
        (_POSTMARK + b"Subject: 1\n\nx\n\nFrom 10:30 on we meet.\nNote: bring\n", [b"1"]),
        (_POSTMARK + b"Subject: 1\n\nx\n\nFrom Bob\nSo: long\n", [b"1"]),
        (_POSTMARK + b"Subject: 1\n\nx\n\nFrom here: Tue Jul 5 2022, 10:00\nup\n", [b"1"]),
        (_POSTMARK + b"Subject: 1\n\nx\n" + _POSTMARK + b"Subject: 2\n\n", [b"1", b"2"]),
        (_TAKEOUT + b"Subject: 1\r\n\r\nx\r\n\r\n" + _TAKEOUT + b"Subject: 2\r\n\r\n", [b"1", b"2"]),
        (b"\xef\xbb\xbf\r\nFrom\r\nSubject: 1\r\n\r\nx\r\n\r\nFrom\r\nSubject: 2\r\n\r\n", [b"1", b"2"]),
        (b"From a 2022-07-05 18:44\nSubject: 1\n\nx\n\nFrom b@c 2022-07-05T18:44:15Z\nSubject: 2\n\n", [b"1", b"2"]),
        (_POSTMARK + b"\n\n" + _POSTMARK.lower().replace(b"from", b"From") + b"Subject: 2\n\n", [b"", b"2"]),
        (_POSTMARK + b"Subject: 1\n\nx\rFrom \rSubject: 3\n\nFrom\n\nno\n", [b"1"]),
        (b"From a@b Tue Jul 5 18:44 PDT 2022\nSubject: 1\n\nx\n\nFrom b@c\nSubject: 2\n\n", [b"1", b"2"]),
    ],
)  # fmt: skip
def test_a_message_of_an_mbox_begins_where_a_mailer_began_one(
    tmp_path: Path, content: bytes, subjects: list[bytes]
) -> None:
    (tmp_path / "box").write_bytes(content)

    found = [re.findall(rb"^Subject: (\d)", raw, re.MULTILINE) for raw in _raws(tmp_path / "box")]

    assert found == [[subject] if subject else [] for subject in subjects]


def test_an_mbox_of_the_first_macintosh_is_split(tmp_path: Path) -> None:
    one, two = b"Subject: 1\r\r>From here\r", b"Subject: 2\r\ry\r" * 20_000
    (tmp_path / "box").write_bytes(b"From ???@??? Tue Jul 05 18:44:15 2022\r".join([b"", one + b"\r", two]))

    assert _raws(tmp_path / "box") == [one.replace(b">", b""), two]


_BOX = _POSTMARK + _ONE + b"\r\n" + _POSTMARK + _TWO


def test_an_mbox_is_read_wherever_it_lies_and_what_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "Mail" / "INBOX.mbox").mkdir(parents=True)
    (tmp_path / "Mail" / "INBOX.mbox" / "mbox").write_bytes(_BOX)
    (tmp_path / "Mail" / "Sent").write_bytes(_BOX)
    (tmp_path / "Mail" / "Sent.msf").write_bytes(b"an index")
    (tmp_path / "Mail" / "old.eml").symlink_to(tmp_path / "Mail" / "Sent")
    (tmp_path / "Mail" / "round").symlink_to(tmp_path / "Mail")
    _tar(tmp_path / "Mail" / "t.tgz", {"a/All mail.mbox": _BOX, "a/cur/1:2,S": _ONE, "a/archive.html": b"<p>"})
    skipped: list[str] = []

    found = [mail.name for mail in read_mail(tmp_path / "Mail", lambda name, reason: skipped.append(name))]

    assert found == [
        *["INBOX.mbox/mbox:0", "INBOX.mbox/mbox:1", "Sent:0", "Sent:1"],
        *["a/All mail.mbox:0", "a/All mail.mbox:1", "a/cur/1:2,S"],
    ]
    assert sorted(skipped) == ["Sent.msf", "old.eml", "round", "t.tgz/a/archive.html"]


def test_skipped_files_are_logged_without_a_callback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.eml").write_bytes(_ONE)
    (tmp_path / "notes.txt").write_bytes(b"not mail")

    assert _raws(tmp_path) == [_ONE]
    assert "Skipped notes.txt: it is no mail" in caplog.text


def test_a_line_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_files, "MESSAGE_MAX_BYTES", 300_000)
    (tmp_path / "box").write_bytes(b"From a@b Tue Jul  5 18:44:15 2022\nSubject: x\n\n" + b"x" * 1_000_000)

    with pytest.raises(MailTooLarge, match="at most 300,000"):
        _raws(tmp_path / "box")


def test_what_the_standard_library_wrote_comes_back(tmp_path: Path) -> None:
    written = [b"Subject: a\n\nFrom line\n\ntext\n", b"Subject: b\n\n\n\nFrom again\n"]
    box = mailbox.mbox(tmp_path / "box")
    for raw in written:
        box.add(raw)
    box.close()

    assert _raws(tmp_path / "box") == written


def test_a_wrong_path_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(MailNotFound, match=r"There is no mail at .*nowhere: give"):
        _raws(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [("broken.tar.gz", b"\x1f\x8b broken"), ("picture.jpg", b"\xff\xd8"), ("empty.tar.gz", b"")],
)
def test_a_file_without_mail_is_reported(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(MailUnreadable, match="cannot be read"):
        _raws(tmp_path / name)


def test_a_truncated_archive_is_an_error_and_not_less_mail(tmp_path: Path) -> None:
    whole = _tar(tmp_path / "whole.tar.gz", {f"{n}.eml": bytes([n]) * 5000 + _ONE for n in range(50)})
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-200])

    with pytest.raises(MailUnreadable):
        _raws(cut)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MailUnreadable, match="no message in it"):
        _raws(tmp_path)


def test_a_message_larger_than_gmail_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_files, "MESSAGE_MAX_BYTES", 10)

    with pytest.raises(MailTooLarge, match="at most 10"):
        _raws(_tar(tmp_path / "m.tar.gz", {"big.eml": _ONE}))


@pytest.mark.parametrize(
    "error",
    [
        MailNotFound(Path("a")),
        MailUnreadable(Path("a"), "why"),
        MailTooLarge("It", 2, 1),
        PortOccupied("127.0.0.1", 1, "in use"),
    ],
)
def test_every_error_survives_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert str(again) == str(error) and type(again) is type(error)
