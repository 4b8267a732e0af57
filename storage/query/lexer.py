"""Splits a search into tokens with positions. Recognizes where a term begins, not its meaning.

Users paste subjects. Signs that stand alone ("-", "–", "&", "--") are skipped: neither an operator nor a word. A word
followed by a colon and white space is a word, unless it names an operator. "Re:" and similar prefixes are ignored.
"""

import re
from dataclasses import dataclass
from enum import Enum

from storage.query.errors import InvalidQuery
from storage.query.operators import OPERATORS
from storage.query.words import words

#: Longer searches are rejected.
LONGEST = 2000


class Kind(Enum):
    """The kind of a token."""

    WORD = "a word"
    PHRASE = "a phrase"
    OPERATOR = "an operator"  # text: its name in lower case; its value follows directly or is missing
    MINUS = "-"
    PLUS = "+"
    OPEN = "("
    CLOSE = ")"
    OPEN_ANY = "{"
    CLOSE_ANY = "}"
    OR = "OR"
    AND = "AND"
    AROUND = "AROUND"
    LONE = "a sign"  # that stands alone: no term
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """text: without quotation marks. end: position of the next character."""

    kind: Kind
    text: str
    position: int
    end: int


_QUOTES = '"“”„'
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"([A-Za-z][A-Za-z_0-9]*):")
_WORD = re.compile(rf"[^\s(){{}}{_QUOTES}]+")
_PHRASE = re.compile(f"[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]")
_SIGNS_ALONE = re.compile(rf"[^\w\s{_QUOTES}]+")
_BRACKETS = {"(": Kind.OPEN, ")": Kind.CLOSE, "{": Kind.OPEN_ANY, "}": Kind.CLOSE_ANY}
_SIGNS = {"-": Kind.MINUS, "+": Kind.PLUS}
#: What mailers put before the subject of an answer or a forwarded message.
_REPLIES = frozenset(["re", "fw", "fwd", "aw", "wg", "rv", "tr", "sv", "vs", "antw", "res", "enc", "odp", "ynt"])
_KEYWORDS = {"OR": Kind.OR, "AND": Kind.AND, "AROUND": Kind.AROUND}


def tokens(text: str) -> list[Token]:
    """All tokens of a search; the last one is END.

    Raises:
        InvalidQuery: the search is too long or not text, or a quotation mark is not closed.
    """
    if len(text) > LONGEST:
        raise InvalidQuery(f"it is longer than {LONGEST} characters", LONGEST)
    if unusable := _UNUSABLE.search(text):
        raise InvalidQuery("this is not a character of text", unusable.start())
    lexed: list[Token] = []
    position = 0
    while True:
        after_operator = bool(lexed) and lexed[-1].kind is Kind.OPERATOR
        if not after_operator:
            space = _SPACE.match(text, position)
            position = space.end() if space else position
        if position == len(text):
            lexed.append(Token(Kind.END, "", position, position))
            return lexed
        token = _token(text, position, after_operator)
        if token is None:  # whitespace instead of an operator's value
            lexed.append(Token(Kind.END, "", position, position))
            return lexed
        lexed.append(token)
        position = token.end


def _token(text: str, position: int, after_operator: bool) -> Token | None:
    char = text[position]
    if not after_operator and (sign := _lone_signs(text, position)):
        return Token(Kind.LONE, sign, position, position + len(sign))
    if char in _BRACKETS:
        return Token(_BRACKETS[char], char, position, position + 1)
    if char in _QUOTES:
        phrase = _PHRASE.match(text, position)
        if phrase is None:
            raise InvalidQuery("a quotation mark is not closed", position)
        return Token(Kind.PHRASE, phrase[1], position, phrase.end())
    if char in _SIGNS and not (after_operator and char == "-"):
        kind = Kind.LONE if not after_operator and _stands_alone(text, position, position + 1) else _SIGNS[char]
        return Token(kind, char, position, position + 1)
    if not after_operator and (operator := _OPERATOR.match(text, position)):
        return _before_colon(text, operator)
    word = _WORD.match(text, position)
    if word is None:
        return None
    kind = Kind.WORD if after_operator else _KEYWORDS.get(word[0], Kind.WORD)
    if kind is Kind.WORD and not after_operator and _stands_alone(text, position, word.end()) and not words(word[0]):
        kind = Kind.LONE
    return Token(kind, word[0], position, word.end())


def _before_colon(text: str, operator: re.Match[str]) -> Token:
    name, end = operator[1].lower(), operator.end()
    if name in _REPLIES:
        return Token(Kind.LONE, operator[1], operator.start(), end)
    if name not in OPERATORS and (end == len(text) or text[end].isspace()):
        return Token(Kind.WORD, operator[1], operator.start(), end)
    return Token(Kind.OPERATOR, name, operator.start(), end)


def _lone_signs(text: str, position: int) -> str:
    """Signs between white space that are no term together ("--", ":-)", "*)"), or "". A bracket alone opens a group."""
    found = _SIGNS_ALONE.match(text, position)
    if found is None or not _stands_alone(text, position, found.end()) or words(found[0]):
        return ""
    is_run = len(found[0]) > 1 and set(found[0]) <= set(_SIGNS)
    return found[0] if is_run or set(found[0]) - set(_BRACKETS) - set(_SIGNS) else ""


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether white space, or an end of the search, is on either side."""
    return (start == 0 or text[start - 1].isspace()) and (end == len(text) or text[end].isspace())
