"""Mail in mbox files: one rule for where a message begins, whoever wrote the file.

A line "From " begins a message when it is what a mailer writes there and a header follows: with a sender and a date
(RFC 4155), with less of them, or bare as Thunderbird writes it. A sentence of a message that begins with "From " is
none of these. Read in pieces: neither a line nor a file without lines costs more memory than one message may have.
"""

import re
from collections.abc import Iterator
from typing import IO, NamedTuple

#: Bytes of a line that are read at once.
_PIECE_BYTES = 64 * 1024
#: Longer lines separate nothing.
_POSTMARK_BYTES = 500

_CLOCK = re.compile(rb"(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?!\d)")
_YEAR = re.compile(rb"(?<![\d.])(?:19|20)\d\d(?![\d.])")
_DAY = re.compile(rb"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b")
_MONTH = re.compile(rb"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
_FIELD = re.compile(rb"([!-9;-~]{1,76})[ \t]*:|>*From ")
_USUAL = re.compile(
    rb"(?:from|to|cc|bcc|subject|date|received|return-path|reply-to|sender|message-id|mime-version|content-type"
    rb"|delivered-to|status|x-[!-9;-~]+|dkim-signature|arc-[!-9;-~]+|authentication-results)[ \t]*:",
    re.IGNORECASE,
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


class TooLong(Exception):
    """A message of the file, counted from 0, is over the bound."""

    def __init__(self, number: int, size_bytes: int) -> None:
        super().__init__(number, size_bytes)
        self.number, self.size_bytes = number, size_bytes


class _Line(NamedTuple):
    content: bytes
    begins: bool  # else it goes on with a line that was too long to be read at once


def is_mbox(start: bytes) -> bool:
    """Whether a file that begins like this is an mbox."""
    line, _, rest = start.partition(b"\n")
    return line.startswith(b"From ") and (_separates(line, rest, True) or not rest.strip(b"\r\n"))


def messages(file: IO[bytes], bound_bytes: int) -> Iterator[bytes]:
    """Each message, unquoted as mboxrd says (one ">" less), without the blank line that closes it.

    Raises:
        TooLong: one is over `bound_bytes`.
    """
    message: bytearray | None = None
    number, after_blank = 0, True
    waiting: bytes | None = None  # a line that begins a message if a header follows
    for line in _lines(file):
        if waiting is not None:
            if message is None or _separates(waiting, line.content, after_blank):
                if message is not None:
                    yield _unquoted(message)
                    number += 1
                message = bytearray()
            else:
                message += waiting
            after_blank, waiting = False, None
        if line.begins and line.content.startswith(b"From ") and len(line.content) <= _POSTMARK_BYTES:
            waiting = line.content
            continue
        if message is None:  # before the first message there is none
            continue
        message += line.content
        after_blank = line.content in (b"\n", b"\r\n")
        if len(message) > bound_bytes:
            raise TooLong(number, len(message))
    if waiting is not None and message is None:
        message = bytearray()
    elif waiting is not None and message is not None:
        message += waiting
    if message is not None:
        yield _unquoted(message)


def _lines(file: IO[bytes]) -> Iterator[_Line]:
    begins = True
    while piece := file.readline(_PIECE_BYTES):
        yield _Line(piece, begins)
        begins = piece.endswith(b"\n")


def _separates(line: bytes, following: bytes, after_blank: bool) -> bool:
    """Whether a line "From ..." begins a message, given the line after it."""
    has_field = _FIELD.match(following) is not None
    rest = line[5:].strip()
    dated = sum(pattern.search(rest) is not None for pattern in (_CLOCK, _YEAR, _DAY, _MONTH))
    if dated == 4:
        return has_field or (after_blank and not following.strip())
    if not after_blank or not has_field:
        return False
    if rest in (b"", b"-") or (dated == 3 and _CLOCK.search(rest)):
        return True
    return b" " not in rest and _USUAL.match(following) is not None


def _unquoted(message: bytearray) -> bytes:
    end = len(message)
    for blank in (b"\r\n", b"\n"):
        if bytes(message[:3]) == blank or message.endswith(b"\n" + blank):
            end -= len(blank)
            break
    return _QUOTED_FROM.sub(rb"\1", bytes(message[:end]))
