"""The grammar of address lists: from unfolded text to addresses; encoded words are not decoded.

One pass splits the text into tokens (words, quoted strings, comments, `<...>`, separators), the second builds
addresses. Never raises. Both passes are linear: the end of an unclosed quote or bracket is searched once, then it
counts as text. Sources: RFC 5322, 3.4 and 4.4; RFC 6854 (groups).
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobs.mime.headers import end_of_comment

_WORDS, _QUOTED, _COMMENT, _ANGLE, _BREAK, _COLON, _END = range(7)

_TEXT = re.compile(
    r"""(?:=\?[^?\s"<>\\]{1,64}\?[bBqQ]\?[^?"<>\\]*\?=|@\[[^\[\]\s<>,;]*\]|\\.|[^"(<,;:\\=@]+|[=@\\])+""", re.DOTALL
)
_QUOTE = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_IN_ANGLE = re.compile(r'<([^<>"]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^<>"]*)*)>', re.DOTALL)
_PLAIN_ANGLE = re.compile(r"<([^<>]*)>")
_OPEN_ANGLE = re.compile(r"<([^<>,;\s]*@[^<>,;\s]*)")
_TO_QUOTE = re.compile(r'<[^<>"]*"')
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ROUTE = re.compile(r"[,\s]*@[^:]*:(.*)", re.DOTALL)
_SHORT_COMMENT = re.compile(r"\([^()]*\)")

#: Maximum number of tokens of a header: about 2,500 addresses with quoted names.
_MOST_TOKENS = 12_000


class NamedAddress(NamedTuple):
    """A name and an address, either may be empty."""

    name: str
    address: str


class _Token(NamedTuple):
    kind: int
    text: str  # as written, of a quoted string what it says, of a comment and of brackets what is in them
    written: str


def sender(value: str) -> NamedAddress | None:
    """The one mailbox of a value with exactly one `<address>`, all before it its name; None of any other value."""
    tokens = _tokens(value)
    places = [index for index, token in enumerate(tokens) if token.kind == _ANGLE and "@" in token.text]
    if len(places) != 1:
        return None
    at = places[0]
    before = tokens[:at]
    if any(token.kind == _BREAK and token.text == ";" for token in tokens[at:]):  # a group: its name is nobody's
        colon = next((index for index, token in enumerate(before) if token.kind == _COLON), -1)
        before = before[colon + 1 :]
    name = _name(before) or _name([token for token in tokens[at + 1 :] if token.kind == _COMMENT])
    return NamedAddress(name, _address(tokens[at].text))


def mailboxes(value: str) -> list[NamedAddress]:
    """All mailboxes of a list in order, those of groups included. What has no address is a name alone."""
    tokens = _tokens(value)
    found = list(_all(tokens))
    if not found and value.strip(" ,;"):  # a comment alone
        return [NamedAddress(value.strip(), "")]
    if not any("@" in one.address for one in found) and "@" in value:
        # Quotes or brackets around a whole mailbox, '"Ann <a@b.c>"': they are read as if they were not there.
        bare = [one for one in _all(_tokens(value.translate(_NO_QUOTES))) if "@" in one.address]
        return bare or found
    return found


_NO_QUOTES = {ord(char): " " for char in '"()'}


def _all(tokens: Sequence[_Token]) -> Iterator[NamedAddress]:
    last_semicolon = max(
        (at for at, token in enumerate(tokens) if token.kind == _BREAK and token.text == ";"), default=-1
    )
    piece: list[_Token] = []
    waiting: list[_Token] = []  # pieces without an address: they are the beginning of the next one's name
    group: list[_Token] = []  # the name of the group that is open
    members = 0
    for at, token in enumerate(tokens):
        if token.kind == _COLON and not group and at < last_semicolon and not any(one.kind == _ANGLE for one in piece):
            group, piece, members = [*waiting, *piece, token], [], 0
            waiting = []
        elif token.kind in (_BREAK, _END):
            ends_group = bool(group) and (token.text == ";" or token.kind == _END)
            made = _of_piece(waiting, piece)
            if made:
                waiting = []
            elif any(one.kind != _COMMENT and one.text.strip() for one in piece):
                waiting += [*piece, token]
            if ends_group or token.kind == _END:
                if waiting:
                    made += _nameless(waiting)
                    waiting = []
                if ends_group and not made and not members:
                    made = [NamedAddress(_name([*group, token]), "")]
                group = [] if ends_group else group
            members += len(made)
            yield from made
            piece = []
        else:
            piece.append(token)


def _of_piece(waiting: Sequence[_Token], piece: Sequence[_Token]) -> list[NamedAddress]:
    """The mailboxes between two separators, and what waited before them; nothing for a piece without an address."""
    brackets = [token for token in piece if token.kind == _ANGLE]
    if brackets:
        angles = [token for token in brackets if "@" in token.text] or brackets[-1:]
        return list(_bracketed([*waiting, *piece], angles))
    bare = _bare(piece)
    return [*_nameless(waiting), *bare] if bare else []


def _bracketed(whole: Sequence[_Token], angles: Sequence[_Token]) -> Iterator[NamedAddress]:
    wanted = {id(token) for token in angles}
    before: list[_Token] = []
    last: NamedAddress | None = None
    for token in whole:
        if id(token) not in wanted:
            before.append(token)
            continue
        if last:
            yield last
        last, before = NamedAddress(_name(before), _address(token.text)), []
    if last:
        comment = "" if last.name else _name([token for token in before if token.kind == _COMMENT])
        yield NamedAddress(last.name or comment, last.address)


def _bare(piece: Sequence[_Token]) -> list[NamedAddress]:
    """Addresses without brackets: "a@b.c", "a@b.c (Ann)", "Ann a@b.c", "a@b.c d@e.f"; none without an at sign."""
    comments = _name([token for token in piece if token.kind == _COMMENT], bare=True)
    rest = [token for token in piece if token.kind != _COMMENT]
    text = "".join(token.written for token in rest).strip()
    if "@" not in "".join(token.text for token in rest if token.kind != _QUOTED):
        return []
    if any(token.kind == _QUOTED for token in rest):  # "john doe"@example.org
        return [NamedAddress(comments, _address(text))]
    words = text.split()
    if len(words) > 1:
        joined = " ".join(words)
        for spaced, tight in ((" @", "@"), ("@ ", "@")):
            joined = joined.replace(spaced, tight)
        words = joined.split(" ")
    addresses = [word for word in words if "@" in word]
    if len(addresses) == len(words):
        return [NamedAddress(comments if len(words) == 1 else "", _address(word)) for word in words]
    if len(addresses) == 1 and words[-1] == addresses[0] and not _is_obsolete(words):
        return [NamedAddress(comments or " ".join(words[:-1]), _address(words[-1]))]
    return [NamedAddress(comments, _address(text))]


def _is_obsolete(words: Sequence[str]) -> bool:
    """Whether these are the parts of one address with blanks around its dots."""
    return any(word == "." or (word.endswith(".") and word[:-1].islower()) for word in words[:-1])


def _nameless(tokens: Sequence[_Token]) -> list[NamedAddress]:
    """Pieces that have no address at all: words between commas, shown as they are."""
    found: list[NamedAddress] = []
    piece: list[_Token] = []
    for token in [*tokens, _Token(_END, "", "")]:
        if token.kind not in (_BREAK, _END):
            piece.append(token)
            continue
        name = _name(piece)
        if name:
            found.append(NamedAddress("", name) if all(one.kind == _WORDS for one in piece) else NamedAddress(name, ""))
        piece = []
    return found


def _name(tokens: Sequence[_Token], bare: bool = False) -> str:
    """A name as it was written, without the quotes around it; `bare`: comments without their parentheses."""
    alone = bare or all(token.kind == _COMMENT or not token.text.strip() for token in tokens)
    pieces = [
        f"<{token.text}>"
        if token.kind == _ANGLE
        else f"({token.text})"
        if token.kind == _COMMENT and not alone
        else token.text
        for token in tokens
    ]
    name = (" " if alone else "").join(pieces).strip()
    if name.count('"') == 1:  # a quote that was never closed
        name = name.strip('"').strip()
    return name.rstrip("< ") if name.endswith("<") else name


def _address(text: str) -> str:
    """What stands in brackets, without a route, comments, "mailto:" and blanks."""
    route = _ROUTE.match(text) if "@" in text and ":" in text else None
    address = route[1] if route else text
    if "(" in address:
        address = _SHORT_COMMENT.sub("", address)
    address = address.strip().strip("<>").strip()
    if address[:7].lower() == "mailto:":
        address = address[7:].strip()
    if '"' in address:
        whole = _QUOTE.fullmatch(address)
        return _PAIR.sub(r"\1", whole[1]).strip() if whole and "@" in whole[1] else address
    address = " ".join(address.split())
    if " " in address and "@" in address:  # blanks around the signs are no part of it
        for sign in "@.":
            address = address.replace(f" {sign}", sign).replace(f"{sign} ", sign)
    return address


class _Open:
    """What was found never to be closed in the rest of the value: it is not looked for again."""

    __slots__ = ("comments", "quotes", "quotes_in_angles")

    def __init__(self) -> None:
        self.quotes = self.comments = self.quotes_in_angles = False


def _tokens(value: str) -> list[_Token]:
    """The value as tokens, ended by `_END`; at most `_MOST_TOKENS`."""
    found: list[_Token] = []
    seen, at = _Open(), 0
    while at < len(value) and len(found) < _MOST_TOKENS:
        token, at = _token(value, at, seen)
        found.append(token)
    found.append(_Token(_END, "", ""))
    return found


def _token(value: str, at: int, seen: _Open) -> tuple[_Token, int]:
    char = value[at]
    if char == '"' and not seen.quotes:
        quoted = _QUOTE.match(value, at)
        if quoted:
            return _Token(_QUOTED, _PAIR.sub(r"\1", quoted[1]), quoted[0]), quoted.end()
        seen.quotes = True
    elif char == "(" and not seen.comments:
        end = end_of_comment(value, at)
        if end:
            inside = value[at + 1 : end - 1]
            return _Token(_COMMENT, _PAIR.sub(r"\1", inside).strip(), value[at:end]), end
        seen.comments = True
    elif char == "<":
        angle = _angle(value, at, seen)
        if angle:
            return _Token(_ANGLE, angle[1], angle[0]), angle.end()
    elif char in ",;":
        return _Token(_BREAK, char, char), at + 1
    elif char == ":":
        return _Token(_COLON, char, char), at + 1
    text = _TEXT.match(value, at)
    if text:
        return _Token(_WORDS, text[0], text[0]), text.end()
    return _Token(_WORDS, char, char), at + 1


def _angle(value: str, at: int, seen: _Open) -> re.Match[str] | None:
    if not seen.quotes_in_angles:
        angle = _IN_ANGLE.match(value, at)
        if angle:
            return angle
        start = _TO_QUOTE.match(value, at)
        seen.quotes_in_angles = start is not None  # a quote in it is not closed, or too late
    return _PLAIN_ANGLE.match(value, at) or _OPEN_ANGLE.match(value, at)
