"""winmail.dat: what Outlook wrapped is listed, read and fetched as if it had been sent as MIME."""

import base64
import hashlib
import struct
import tracemalloc

import pytest

from jobs.mime import tnef
from jobs.mime.defects import Defects
from jobs.mime.message import MimeLimits
from jobs.mime.parser import attachment, parse
from tests.unit.jobs.mime import outlook

ZIP = b"PK\x03\x04 whose last bytes are zero \0\0\0\0"

INNER = outlook.stream(
    outlook.attribute(
        1,
        0x9003,
        outlook.properties(
            outlook.text(0x37, "Größe"), outlook.text(0x0C1A, "Ann"), outlook.text(0x1000, "words within")
        ),
    ),
    outlook.attachment(b"deep.txt", b"deep"),
)
WINMAIL = outlook.stream(
    outlook.attribute(
        1,
        0x9003,
        outlook.properties(
            outlook.named("key"),
            outlook.number(0x3FDE, 65001),
            outlook.binary(0x1013, "<p>Dear Jérôme</p>".encode() + b"\0"),
            outlook.text(0x37, "outer"),
        ),
    ),
    outlook.attachment(
        b"REPORT~1.ZIP", ZIP, outlook.text(0x3707, "Report für uns.zip"), outlook.narrow(0x3712, b"one@x")
    ),
    outlook.embedded("A message", INNER),
)


def mail_of(data: bytes, before: bytes = b"", content_type: bytes = b"application/ms-tnef; name=winmail.dat") -> bytes:
    return (
        b"Subject: outer\nDate: Tue, 3 Nov 2026 10:00:00 +0200\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\n\n%b\n--b\nContent-Type: %b\nContent-Transfer-Encoding: base64\n\n%b\n--b--\n"
        % (before, content_type, base64.encodebytes(data))
    )


def test_attachments_in_tnef_are_listed_by_numbers_of_their_own_and_fetched() -> None:
    raw = mail_of(WINMAIL)
    message = parse(raw)

    assert [(found.part, found.filename, found.content_type) for found in message.attachments] == [
        ("2", "winmail.dat", "application/ms-tnef"),
        ("2.1", "Report für uns.zip", "application/zip"),
        ("2.2", "A message", "application/ms-tnef"),
        ("2.2.1", "deep.txt", "text/plain"),
    ]
    for listed in message.attachments:
        content = attachment(raw, listed.part)
        assert content is not None
        assert hashlib.sha256(content.content).digest() == listed.sha256
    assert message.attachments[1].size_bytes == len(ZIP)
    assert message.attachments[1].content_id == "one@x"
    assert message.defects == []


def test_the_words_in_tnef_and_in_messages_embedded_in_it_are_text() -> None:
    message = parse(mail_of(WINMAIL))

    assert message.text == (
        "Dear Jérôme\n\nFrom: Ann\nSubject: Größe\n\nwords within\n\nReport für uns.zip\nA message\ndeep.txt"
    )
    assert message.has_html


def test_a_body_that_only_repeats_the_plain_text_is_left_out() -> None:
    plain = outlook.stream(outlook.attribute(1, 0x800C, b"Dear all,\r\nsee you\0"))

    assert parse(mail_of(plain, b"Dear all, see you")).text == "Dear all, see you"
    assert parse(mail_of(plain, b"Dear all")).text == "Dear all\n\nDear all,\nsee you"


def test_rich_text_is_read_where_it_is_the_only_body() -> None:
    rich = outlook.stream(outlook.attribute(1, 0x9003, outlook.properties(outlook.binary(0x1009, outlook.HELLO_RTF))))

    assert parse(mail_of(rich)).text == "hello world"


def test_tnef_under_another_type_is_known_by_its_name() -> None:
    raw = mail_of(WINMAIL, content_type=b'application/octet-stream; name="WINMAIL.DAT"')

    assert [found.part for found in parse(raw).attachments] == ["1", "2", "2.1", "2.2", "2.2.1"][1:]


def test_a_string_is_read_in_the_code_page_that_the_stream_names() -> None:
    data = outlook.stream(outlook.attribute(1, 0x800C, "Привет".encode("cp1251") + b"\0"), code_page=1251)

    assert tnef.read(data, 10, 1000, Defects()).body == "Привет"


@pytest.mark.parametrize("cut", range(0, len(WINMAIL), 7))
def test_a_cut_stream_yields_what_lies_before_the_cut(cut: int) -> None:
    defects = Defects()
    found = tnef.read(WINMAIL[:cut], 10, 1000, defects)

    assert len(found.attachments) <= 2
    assert cut in (0, len(WINMAIL)) or defects.codes() in (["bad-tnef"], [])
    if cut > WINMAIL.index(ZIP) + len(ZIP):
        assert found.attachments[0].content == ZIP


def test_a_wrong_checksum_is_a_defect_and_costs_nothing() -> None:
    defects = Defects()
    data = bytearray(outlook.stream(outlook.attribute(1, 0x800C, b"words")))
    data[-1] ^= 1

    assert tnef.read(bytes(data), 10, 1000, defects).body == "words"
    assert defects.codes() == ["bad-tnef"]


def test_what_claims_to_be_tnef_and_is_not_stays_an_attachment() -> None:
    message = parse(mail_of(b"something else"))

    assert [found.part for found in message.attachments] == ["2"]
    assert message.defects == ["bad-tnef"]


@pytest.mark.parametrize(
    "claim",
    [
        struct.pack("<I", 0xFFFFFFFF) + outlook.number(0x1234, 7),
        struct.pack("<I", 1) + struct.pack("<HHI", 0x101F, 0x1234, 0xFFFFFFFF),
        struct.pack("<I", 1) + struct.pack("<HHI", 0x1003, 0x1234, 0xFFFFFFFF),
    ],
)
def test_four_billion_claimed_properties_and_values_allocate_nothing(claim: bytes) -> None:
    stream = outlook.stream(outlook.attribute(1, 0x9003, claim))
    tracemalloc.start()
    try:
        message = tnef.read(stream, 10, 1000, Defects())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (message.body, message.attachments) == ("", [])
    assert peak_bytes < 100_000  # 3 kB; a list of what is claimed would need 32 GB


@pytest.mark.parametrize(
    "data",
    [
        outlook.stream(outlook.attribute(1, 0x8020, b"") * 100_000),
        outlook.stream(outlook.attribute(1, 0x9003, bytes(4) + struct.pack("<HH", 1, 0x37) * 100_000)),
        outlook.stream(
            outlook.attribute(1, 0x9003, bytes(4) + struct.pack("<HHI", 0x101F, 1, 100_000) + bytes(400_000))
        ),
    ],
)
def test_no_more_than_the_limit_of_items_is_looked_at(data: bytes) -> None:
    defects = Defects()
    tnef.read(data, 10, 1000, defects)

    assert defects.codes() == ["too-many-parts"]


def test_attachments_and_depth_in_tnef_are_bounded() -> None:
    many = parse(mail_of(outlook.stream(outlook.attachment(b"a.txt", b"a") * 50)), MimeLimits(parts=10))
    data = outlook.stream(outlook.attribute(1, 0x800C, b"innermost"))
    for _ in range(20):
        data = outlook.stream(outlook.embedded("inner", data))
    deep = parse(mail_of(data), MimeLimits(depth=10))

    assert len(many.attachments) <= 10
    assert "too-many-parts" in many.defects
    assert len(deep.attachments) <= 12
    assert "too-deep" in deep.defects
