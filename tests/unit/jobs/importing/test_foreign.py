"""What other programs say of a message beside its bytes."""

import hashlib
from datetime import UTC, datetime
from email.header import Header

import pytest

from jobs.importing.foreign import Foreign, identity, is_made, of_file, of_mbox
from jobs.importing.label_names import LABELS, SYSTEM, system_label
from storage.model.storable import original, storable

MAIL = b"From: Ann <ann@example.com>\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nGood morning.\r\n"
POSTMARK = b"From 1598765432109876543@xxx Mon Jan 05 10:00:00 +0100 2026\r\n"


def test_takeout_tells_id_thread_labels_and_date() -> None:
    names = Header('Posteingang,Wichtig,"Reise, 2026",Geöffnet', "utf-8", header_name="X-Gmail-Labels").encode()
    head = f"X-GM-THRID: 1598765432109876500\r\nX-Gmail-Labels: {names}\r\n".replace("\n ", "\r\n ").encode()

    found = of_mbox(head + MAIL, "All mail.mbox:0", POSTMARK)

    assert found.raw == MAIL
    assert (found.message_id, found.thread_id) == (1598765432109876543, 1598765432109876500)
    assert found.labels == ("Posteingang", "Wichtig", "Reise, 2026", "Geöffnet")
    assert found.received_at == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert [system_label(name) for name in found.labels] == [
        (True, "INBOX"),
        (True, "IMPORTANT"),
        (False, None),
        (True, None),
    ]


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"", MAIL),
        (b"X-GM-THRID: not a number\r\n", MAIL),
        (b"X-GM-THRID: 1\r\nX-GM-THRID: 2\r\n", b"X-GM-THRID: 2\r\n" + MAIL),
        (b"X-GBM-Labels: [1]\r\nX-GBM-Size: 3\r\n", MAIL),
    ],
)
def test_what_is_not_said_well_is_not_believed(head: bytes, rest: bytes) -> None:
    found = of_mbox(head + MAIL, "x", b"From - \r\n")

    assert found.raw == rest
    assert (found.message_id, found.label_ids, found.received_at) == (None, (), None)


def test_a_message_that_may_be_cut_has_no_id_unless_a_digest_shows_that_it_is_whole() -> None:
    cut = of_mbox(b"X-GM-THRID: 5\r\nX-Gmail-Labels: Work\r\n" + MAIL[:-5], "x", POSTMARK, is_closed=False)
    digest, postmark = hashlib.sha256(MAIL).hexdigest(), b"From 1a2b@gmail Mon Jan 05 10:00:00 2026\r\n"
    head = f'X-GBM-Labels: ["INBOX"]\r\nX-GBM-SHA256: {digest}\r\nX-GBM-Size: {len(MAIL)}\r\n'.encode()
    whole = of_mbox(head + MAIL, "x", postmark, is_closed=False)

    assert (cut.message_id, cut.thread_id, cut.labels, cut.raw) == (None, 5, ("Work",), MAIL[:-5])
    assert (whole.message_id, whole.label_ids, whole.raw) == (0x1A2B, ("INBOX",), MAIL)


def test_names_and_ids_that_no_store_holds_are_kept_escaped() -> None:
    found = of_mbox(b"X-Gmail-Labels: =?utf-8?q?a=00b?=,=?utf-7?q?+2AA-?=,=?idna?q?c?=\r\n" + MAIL, "x", POSTMARK)
    digest = hashlib.sha256(MAIL).hexdigest()
    labels = b'X-GBM-Labels: ["\\u0000x", "\\\\Deleted", "\\\\Judgement:{}"]\r\n'
    own = of_mbox(labels + f"X-GBM-SHA256: {digest}\r\nX-GBM-Size: {len(MAIL)}\r\n".encode() + MAIL, "x", POSTMARK)

    assert all(storable(name) == name or original(storable(name)) == name for name in found.labels)
    assert "a\x1a0000b" in found.labels
    assert [original(each) for each in own.label_ids] == ["\0x", "\\Deleted", "\\Judgement:{}"]
    assert not any(each.startswith("\\") for each in own.label_ids)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cur/1:2,S", ("Inbox",)),
        ("cur/1:2,FS", ("Inbox", "Starred")),
        ("new/1", ("Inbox", "Unread")),
        (".Work.Trips/cur/1!2,DT", ("Work/Trips", "Draft", "Trash", "Unread")),
        ("a/b.eml", ()),
        ("b.eml", ()),
    ],
)
def test_a_maildir_tells_states_by_names(name: str, labels: tuple[str, ...]) -> None:
    assert of_file(MAIL, name).labels == labels


def test_two_copies_of_a_message_are_known_by_their_headers() -> None:
    first = identity(Foreign(MAIL, "a"))
    other = identity(Foreign(MAIL.replace(b"\r\n", b"\n") + b"-- \nlist footer\n", "b"))
    reply = identity(
        Foreign(MAIL.replace(b"<1@", b"<2@").replace(b"Message-ID", b"References: <1@example.com>\r\nMessage-ID"), "c")
    )

    assert first.headers == other.headers
    assert first.digest != other.digest
    assert first.thread_id == reply.thread_id
    assert len({first.message_id, other.message_id, reply.message_id}) == 3
    assert all(is_made(each.message_id) and is_made(each.thread_id) for each in (first, other, reply))


def test_a_message_without_anything_has_an_identity() -> None:
    for raw in (b"", b"\r\n\r\n", b"no header at all", b"Date: nonsense\r\n\r\n", bytes(range(256))):
        found = identity(Foreign(raw, "x"))

        assert is_made(found.message_id)
        assert found.received_at.tzinfo is not None


def test_the_names_of_gmails_labels_are_known_in_thirty_languages() -> None:
    from jobs.importing.label_names import _LANGUAGES

    assert len(_LANGUAGES) >= 30
    for names in _LANGUAGES.values():
        assert len(names.split(",")) == len(LABELS)
    for name, label in (("Входящие", "INBOX"), ("送信済みメール", "SENT"), ("CORBEILLE", "TRASH"), ("스팸함", "SPAM")):
        assert system_label(name) == (True, label)
    assert SYSTEM["opened"] is None
