"""Writes TNEF as Outlook does, for tests: attributes, properties, attachments."""

import struct

SIGNATURE = b"\x78\x9f\x3e\x22"
MESSAGE = bytes.fromhex("0703020000000000c000000000000046")

#: The example of MS-OXRTFCP, section 4.1.1: "hello world".
HELLO_RTF = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)


def stream(*attributes: bytes, code_page: int = 1252) -> bytes:
    return SIGNATURE + b"\1\0" + attribute(1, 0x9007, struct.pack("<II", code_page, 0)) + b"".join(attributes)


def attribute(level: int, name: int, data: bytes) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*items: bytes) -> bytes:
    return struct.pack("<I", len(items)) + b"".join(items)


def text(number: int, value: str) -> bytes:
    return _variable(0x1F, number, (value + "\0").encode("utf-16-le"))


def narrow(number: int, value: bytes) -> bytes:
    return _variable(0x1E, number, value + b"\0")


def binary(number: int, value: bytes) -> bytes:
    return _variable(0x102, number, value)


def number(number: int, value: int) -> bytes:
    return struct.pack("<HHI", 0x03, number, value)


def named(value: str) -> bytes:
    """A property that has a name instead of a number, as Outlook writes dozens."""
    name = "Keywords\0".encode("utf-16-le")
    head = struct.pack("<HH", 0x101F, 0x8005) + bytes(16) + struct.pack("<II", 1, len(name)) + _padded(name)
    data = (value + "\0").encode("utf-16-le")
    return head + struct.pack("<II", 1, len(data)) + _padded(data)


def attachment(title: bytes, data: bytes, *items: bytes) -> bytes:
    return (
        attribute(2, 0x9002, bytes(14))
        + attribute(2, 0x8010, title + b"\0")
        + attribute(2, 0x800F, data)
        + (attribute(2, 0x9005, properties(*items)) if items else b"")
    )


def embedded(name: str, inner: bytes) -> bytes:
    """An attachment that is a message."""
    value = MESSAGE + inner
    item = struct.pack("<HHII", 0x0D, 0x3701, 1, len(value)) + _padded(value)
    return attribute(2, 0x9002, bytes(14)) + attribute(2, 0x9005, properties(text(0x3001, name), item))


def _variable(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHII", kind, number, 1, len(value)) + _padded(value)


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
