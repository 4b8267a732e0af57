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
_DAY = re.compile(rb"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", re.IGNORECASE)
_MONTH = re.compile(rb"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", re.IGNORECASE)
_ISO = re.compile(rb"\S{1,320}\s+(?:19|20)\d\d-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d\S*")
_FIELD = re.compile(rb"([!-9;-~]{1,76})[ \t]*:|>*From ")
_USUAL = re.compile(
    rb"(?:from|to|cc|bcc|subject|date|received|return-path|reply-to|sender|message-id|mime-version|content-type"
    rb"|delivered-to|status|x-[!-9;-~]+|dkim-signature|arc-[!-9;-~]+|authentication-results)[ \t]*:",
    re.IGNORECASE,
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_QUOTED_FROM_AFTER_CR = re.compile(rb"(?<![^\r])>(>*From )")
_CR_LINE = re.compile(rb"[^\r]*\r|[^\r]+\Z")
_BLANK_LINES = (b"\r\n", b"\n", b"\r")
_BOM = b"\xef\xbb\xbf"


class TooLong(Exception):
    """A message of the file, counted from 0, is over the bound."""

    def __init__(self, number: int, size_bytes: int) -> None:
        super().__init__(number, size_bytes)
        self.number, self.size_bytes = number, size_bytes


class _MboxLine(NamedTuple):
    content: bytes
    begins: bool  # else it goes on with a line that was too long to be read at once
    ends_with_cr: bool  # as all lines of the file, written on the first Macintosh


def is_mbox(start: bytes) -> bool:
    """Whether a file that begins like this is an mbox."""
    start = start.removeprefix(_BOM).lstrip(b"\r\n")
    line, _, rest = start.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n")
    following = rest.partition(b"\n")[0]
    return _may_separate(line) and (_separates(line, following, True) or not rest.strip(b"\n"))


def _may_separate(line: bytes) -> bool:
    return line.startswith(b"From ") or line.strip(b"\r\n") == b"From"


def messages(file: IO[bytes], bound_bytes: int) -> Iterator[bytes]:
    """Each message, unquoted as mboxrd says (one ">" less), without the blank line that closes it.

    Raises:
        TooLong: one is over `bound_bytes`.
    """
    return (entry.message for entry in entries(file, bound_bytes))


class Entry(NamedTuple):
    """A message, and the line that begins it. is_closed: a blank line or another message follows.

    A last message that is not closed may have been cut with its file, and be longer than it is here.
    """

    postmark: bytes
    message: bytes
    is_closed: bool = True


def entries(file: IO[bytes], bound_bytes: int) -> Iterator[Entry]:
    """The same, each with the line that begins it. Raises as `messages`."""
    message: bytearray | None = None
    postmark = b""
    number, after_blank, with_cr = 0, True, False
    waiting: bytes | None = None  # a line that begins a message if a header follows
    for line in _lines(file):
        with_cr = line.ends_with_cr
        if waiting is not None:
            if message is None or _separates(waiting, line.content, after_blank):
                if message is not None:
                    yield Entry(postmark, _unquoted(message, with_cr))
                    number += 1
                message, postmark = bytearray(), waiting
            else:
                message += waiting
            after_blank, waiting = False, None
        if line.begins and _may_separate(line.content) and len(line.content) <= _POSTMARK_BYTES:
            waiting = line.content
            continue
        if message is None:  # before the first message there is none
            continue
        message += line.content
        after_blank = line.begins and line.content in _BLANK_LINES
        if len(message) > bound_bytes:
            raise TooLong(number, len(message))
    if waiting is not None and message is None:
        message, postmark = bytearray(), waiting
    elif waiting is not None and message is not None:
        message += waiting
    if message is not None:
        yield Entry(postmark, _unquoted(message, with_cr), after_blank)


def _lines(file: IO[bytes]) -> Iterator[_MboxLine]:
    piece = file.readline(_PIECE_BYTES).removeprefix(_BOM)
    # Such a file is one line to whoever looks for line feeds. In other files, a carriage return ends nothing.
    with_cr = b"\r" in piece.rstrip(b"\r\n")
    begins = True
    while piece:
        for content in _CR_LINE.findall(piece) if with_cr else (piece,):
            yield _MboxLine(content, begins, with_cr)
            begins = content.endswith(b"\r" if with_cr else b"\n")
        piece = file.readline(_PIECE_BYTES)


def _separates(line: bytes, following: bytes, after_blank: bool) -> bool:
    """Whether a line "From ..." begins a message, given the line after it."""
    has_field = _FIELD.match(following) is not None
    rest = line[5:].strip()
    if _ISO.fullmatch(rest):
        return has_field
    dated = sum(pattern.search(rest) is not None for pattern in (_CLOCK, _YEAR, _DAY, _MONTH))
    if dated == 4:
        return has_field or (after_blank and not following.strip())
    if not after_blank or not has_field:
        return False
    if (rest in (b"", b"-") and line[4:5] == b" ") or (dated == 3 and _CLOCK.search(rest)):
        return True
    return b" " not in rest and _USUAL.match(following) is not None


def _unquoted(message: bytearray, with_cr: bool) -> bytes:
    end = len(message)
    for blank in (b"\r",) if with_cr else (b"\r\n", b"\n"):
        if bytes(message[:3]) == blank or message.endswith((b"\r" if with_cr else b"\n") + blank):
            end -= len(blank)
            break
    quoted = _QUOTED_FROM_AFTER_CR if with_cr else _QUOTED_FROM
    return quoted.sub(rb"\1", bytes(message[:end]))
