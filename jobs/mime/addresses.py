"""Address headers: names and addresses of a list, whatever its writing."""

import re
from email.utils import getaddresses
from typing import NamedTuple

from jobs.mime import headers
from jobs.mime.charset import decode_header
from jobs.mime.defects import Defects

#: Characters of one header given to the standard library's parser, whose cost grows faster than its input.
_HARD_CHARS = 16 * 1024

_SIMPLE = re.compile(
    r'^\s*(?:(?:"([^"\\]*)"|([^"<>@,;:()\\]*?))\s*<\s*([^\s<>,;:()"]*)\s*>|([^\s<>,;:()"\\]+@[^\s<>,;:()"\\]+))\s*$'
)


class Address(NamedTuple):
    """A name (may be empty) and an address as written (may be empty when there is none)."""

    name: str
    address: str

    def __str__(self) -> str:
        if not self.name:
            return self.address
        return f"{self.name} <{self.address}>" if self.address else self.name


def parse(value: str, limit: int, defects: Defects) -> list[Address]:
    """The addresses of an undecoded header value, in order, groups flattened, at most `limit`."""
    if not value:
        return []
    value = headers.unfold(value)
    one = _simple(value, defects)
    if one:
        return [one]
    if not any(character in value for character in '"():;\\'):
        found = [_simple(piece, defects) for piece in value.split(",") if piece.strip()]
        simple = [address for address in found if address]
        if len(simple) == len(found):
            return simple[:limit]
    return _hard(value, defects)[:limit] if value else []


def _simple(value: str, defects: Defects) -> Address | None:
    match = _SIMPLE.match(value)
    if not match:
        return None
    quoted, bare, in_brackets, alone = match.groups()
    if alone:
        return Address("", headers.text(alone, defects))
    return Address(headers.text(quoted or bare or "", defects), headers.text(in_brackets, defects))


def _hard(value: str, defects: Defects) -> list[Address]:
    if not value.isascii():
        defects.add("header-8bit")
        value = decode_header(value.encode("latin-1"))
    try:
        pairs = getaddresses([value[:_HARD_CHARS]])
    except (IndexError, ValueError, TypeError, RecursionError):  # known to happen on hostile input
        pairs = []
    found = [
        Address(headers.readable(name, defects), headers.readable(address, defects))
        for name, address in pairs
        if name or address
    ]
    return found or [Address(headers.readable(value, defects), "")]
