"""Address headers: the names and addresses of a list.

Our own parser is linear in the size of the value and has the same results on every Python: those of the standard
library changed between patch releases. The address is the text in `<...>` (RFC 5322, 3.4), whatever precedes it, quoted
or not (4.1). Also accepted: comments, groups, obsolete routes, addresses without brackets, semicolons between
addresses.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from jobs.mime import headers
from jobs.mime.charset import decode_header
from jobs.mime.defects import Defects
from jobs.mime.mailboxes import NamedAddress, mailboxes, sender

#: Longer headers are not cached: 4,096 cached ones need at most about 2 MB.
_REMEMBERED_CHARS = 256

#: Addresses without names, as programs write them.
_BARE = re.compile(r"[\w.+'&/=$!#%*-]+@[\w.-]+", re.ASCII)
#: What stands between commas, quoted ones apart; a quote without an end is a piece that is not simple.
_PIECE = re.compile(r'(?:[^",]+|"[^"]*"|")+')
_BARE_LIST = re.compile(r"[\w.+'&/=$!#%*-]+@[\w.-]+(?:, *[\w.+'&/=$!#%*-]+@[\w.-]+)*", re.ASCII)
#: The usual form of one: a name without anything that could mean something else, or a quoted one.
_SIMPLE = re.compile(r"""(?:"([^"\\]*)" ?|([^"<>@,;:()\\\[\]=]*))<([^\s<>,;:()"@\\]+@[^\s<>,;:()"@\\]+)>""")


class Address(NamedTuple):
    """A name (may be empty) and an address as written (may be empty when there is none)."""

    name: str
    address: str

    def __str__(self) -> str:
        if not self.name:
            return self.address
        return f"{self.name} <{self.address}>" if self.address else self.name


class Addresses(NamedTuple):
    """The content of one header: its first address, and all in display form, in order, groups flattened."""

    first: Address
    shown: tuple[str, ...]
    defects: Sequence[str] = ()


NONE = Addresses(Address("", ""), ())


def parse(value: str, limit: int, defects: Defects, likely: str = "", is_sender: bool = False) -> Addresses:
    """The addresses of an undecoded header value, at most `limit`.

    Args:
        likely: as of `headers.text`.
        is_sender: the header names who wrote: of a value with one `<address>` that is the sender, and all before it
            the sender's name, addresses and commas included.
    """
    if not value:
        return NONE
    if likely and value.isascii() and "\x1b" not in value:
        likely = ""
    read = _remembered if len(value) <= _REMEMBERED_CHARS else _read
    found = read(value, likely, is_sender)
    for code in found.defects:
        defects.add(code)
    if len(found.shown) > limit:
        defects.add("too-many-addresses")
        return Addresses(found.first, found.shown[:limit])
    return found


def _read(value: str, likely: str, is_sender: bool) -> Addresses:
    defects = Defects()
    if not value.isascii() or "\x1b" in value:
        # Decoded once for the whole list: text in bytes above 127 may contain commas and quotes.
        defects.add("header-8bit")
        value = decode_header(value.encode("latin-1", "replace"), likely)
    value = headers.unfold(value)
    if _BARE_LIST.fullmatch(value):
        pieces = tuple(value.replace(" ", "").split(","))
        return Addresses(Address("", pieces[0]), pieces)
    simple = _SIMPLE.fullmatch(value)
    if simple:
        quoted, bare, address = simple.groups()
        found = [NamedAddress((quoted or bare or "").strip(), address)]
    else:
        one = sender(value) if is_sender else None
        found = [one] if one else _usual_list(value) or mailboxes(value)
    if not any("@" in one.address for one in found) and "=?" in value:
        # Some mailers encode the whole list as one word: parse its decoded text.
        decoded = headers.readable(value, defects)
        found = [one for one in mailboxes(decoded) if one.address] or found
    return _decoded(found, defects)


def _usual_list(value: str) -> list[NamedAddress] | None:
    """The mailboxes of a list in which each is written in the usual way; None of any other list."""
    found: list[NamedAddress] = []
    for piece in _PIECE.findall(value):
        written = piece.strip(" ")
        simple = _SIMPLE.fullmatch(written)
        if simple:
            quoted, bare, address = simple.groups()
            found.append(NamedAddress((quoted or bare or "").strip(), address))
        elif _BARE.fullmatch(written):
            found.append(NamedAddress("", written))
        elif written:
            return None
    return found


#: A mailbox has few distinct correspondents.
_remembered = lru_cache(maxsize=4096)(_read)


def _decoded(found: Iterable[NamedAddress], defects: Defects) -> Addresses:
    """Mailboxes with their encoded words decoded."""
    read = [
        Address(headers.readable(one.name, defects), headers.readable(one.address, defects))
        for one in found
        if one.name or one.address
    ]
    if not read:
        return NONE
    return Addresses(read[0], tuple([str(address) for address in read]), defects.codes())
