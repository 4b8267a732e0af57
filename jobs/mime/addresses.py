"""Address headers: names and addresses of a list, whatever its writing."""

import re
from collections.abc import Iterator, Sequence
from email.utils import getaddresses
from functools import lru_cache
from typing import NamedTuple

from jobs.mime import headers
from jobs.mime.charset import decode_header
from jobs.mime.defects import Defects

#: Characters given to the standard library's parser at once: its cost grows faster than its input.
_HARD_CHARS = 4 * 1024

#: Longer headers are read anew each time: 4,096 remembered ones hold some 2 MB at most.
_REMEMBERED_CHARS = 256

#: What stands between commas, quoted ones apart; a quote without an end is a piece that is not simple.
_PIECE = re.compile(r'(?:[^",]+|"[^"]*"|")+')
#: Addresses without names, as programs write them.
_BARE_LIST = re.compile(r"[\w.+'&/=$!#%*-]+@[\w.-]+(?:, *[\w.+'&/=$!#%*-]+@[\w.-]+)*", re.ASCII)
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


class Addresses(NamedTuple):
    """What one header holds: its first address, and all as they are displayed, in order, groups flattened."""

    first: Address
    shown: tuple[str, ...]
    defects: Sequence[str] = ()


_NONE = Addresses(Address("", ""), ())


def parse(value: str, limit: int, defects: Defects, likely: str = "") -> Addresses:
    """The addresses of an undecoded header value, at most `limit`; `likely` as of `headers.text`."""
    if not value:
        return _NONE
    if likely and value.isascii():
        likely = ""
    found = _remembered(value, likely) if len(value) <= _REMEMBERED_CHARS else _read(value, likely)
    for code in found.defects:
        defects.add(code)
    if len(found.shown) > limit:
        defects.add("too-many-addresses")
        return Addresses(found.first, found.shown[:limit])
    return found


def _read(value: str, likely: str) -> Addresses:
    value = headers.unfold(value)
    if _BARE_LIST.fullmatch(value):
        pieces = tuple(value.replace(" ", "").split(","))
        return Addresses(Address("", pieces[0]), pieces)
    defects = Defects()
    if not value.isascii():
        # Once for the whole list: what stands in bytes above 127 may span commas and quotes.
        defects.add("header-8bit")
        value = decode_header(value.encode("latin-1", "replace"), likely)
    is_plain = value.isascii() and "=?" not in value and value.isprintable()
    simple = _simple(value, is_plain, defects)
    found = [simple] if simple else _each(value, is_plain, defects)
    if not found:
        return _NONE
    return Addresses(found[0], tuple([str(address) for address in found]), defects.codes())


#: The same few people write and are written to, again and again.
_remembered = lru_cache(maxsize=4096)(_read)


def _each(value: str, is_plain: bool, defects: Defects) -> list[Address]:
    """The addresses of a list: simple ones between commas, or by the standard library's rules for all the others."""
    found: list[Address] = []
    for piece in _PIECE.findall(value):
        if not piece.strip():
            continue
        address = None if piece.count('"') % 2 else _simple(piece, is_plain, defects)
        if address is None:
            return _hard(value, defects)
        found.append(address)
    return found


def _simple(value: str, is_plain: bool, defects: Defects) -> Address | None:
    match = _SIMPLE.match(value)
    if not match:
        return None
    quoted, bare, in_brackets, alone = match.groups()
    if is_plain:
        return Address("", alone) if alone else Address((quoted or bare or "").strip(), in_brackets)
    if alone:
        return Address("", headers.readable(alone, defects))
    return Address(headers.readable(quoted or bare or "", defects), headers.readable(in_brackets, defects))


def _hard(value: str, defects: Defects) -> list[Address]:
    found: list[Address] = []
    for chunk in _chunks(value):
        try:
            pairs = getaddresses([chunk])
        except (IndexError, ValueError, TypeError, RecursionError):  # known to happen on hostile input
            pairs = []
        found += [
            Address(headers.readable(name, defects), headers.readable(address, defects))
            for name, address in pairs
            if name or address
        ]
    return found or ([Address(headers.readable(value, defects), "")] if value else [])


def _chunks(value: str) -> Iterator[str]:
    """The value cut at commas, each piece as long as the standard library is given."""
    start = 0
    while start < len(value):
        end = len(value)
        if end - start > _HARD_CHARS:
            end = value.rfind(",", start, start + _HARD_CHARS) + 1 or start + _HARD_CHARS
        yield value[start:end]
        start = end
