"""Search terms as conditions: on the message index (labels, dates) and on Parquet (content).

A term that a label decides must see the label as it is now, which only the index knows; content never changes, so
Parquet decides the rest.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storage.search import Term

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
#: Gmail shows these only when asked.
HIDDEN = ("SPAM", "TRASH")

_TEXTS: Mapping[str, tuple[str, ...]] = {
    "from": ('"from"',),
    "to": ('array_to_string("to", chr(10))',),
    "cc": ("array_to_string(cc, chr(10))",),
    "bcc": ("array_to_string(bcc, chr(10))",),
    "subject": ("subject",),
    "filename": ("array_to_string(list_transform(attachments, lambda a: a.filename), chr(10))",),
    "words": (
        "subject",
        '"text"',
        '"from"',
        'array_to_string("to", chr(10))',
        "array_to_string(cc, chr(10))",
        "array_to_string(list_transform(attachments, lambda a: a.filename), chr(10))",
    ),
}
#: Scripts that put no spaces between words: there a word is found inside its neighbours.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Plan:
    """A search, split. `content` is SQL over schemas.MESSAGES with its bound values in `values`; "" asks nothing."""

    with_labels: tuple[str, ...]
    without_labels: tuple[str, ...]
    after_at: datetime
    before_at: datetime
    content: str
    values: Mapping[str, object] = field(default_factory=dict)


def plan(terms: Sequence[Term], labels: Mapping[str, str], include_hidden: bool) -> Plan:
    """Split a search.

    Args:
        labels: the mailbox's label names in lower case -> ids.
        include_hidden: Spam and Trash too.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    after_at, before_at = EARLIEST, LATEST
    conditions: list[str] = []
    values: dict[str, object] = {}
    for number, term in enumerate(terms):
        label = _label(term, labels)
        if _everywhere(term):
            include_hidden = include_hidden or not term.negated
        elif label is not None:
            name, on = label
            (wanted if on else unwanted).append(name)
        elif term.field in ("after", "before") and isinstance(term.value, datetime):
            if (term.field == "after") != term.negated:
                after_at = max(after_at, term.value)
            else:
                before_at = min(before_at, term.value)
        else:
            condition = _content(term, f"value{number}", values)
            conditions.append(f"NOT {condition}" if term.negated else condition)
    if not include_hidden:
        unwanted += [name for name in HIDDEN if name not in wanted]
    return Plan(tuple(wanted), tuple(unwanted), after_at, before_at, " AND ".join(conditions), values)


def _everywhere(term: Term) -> bool:
    return term.field == "in" and str(term.value).lower() in ("anywhere", "all")


def _label(term: Term, labels: Mapping[str, str]) -> tuple[str, bool] | None:
    """The label id that a term asks for, and whether it must be there; None when no label decides."""
    value = str(term.value)
    if term.field == "is":
        name, on = ("UNREAD", False) if value == "read" else (value.upper(), True)
        return name, on != term.negated
    if term.field in ("label", "in"):
        known = labels.get(value.lower()) or labels.get(value.lower().replace("-", " "))
        return known or (value.upper() if term.field == "in" else value), not term.negated
    return None


def _content(term: Term, name: str, values: dict[str, object]) -> str:
    if term.field == "has":
        return "(len(attachments) > 0)"
    if term.field in ("larger", "smaller"):
        values[name] = term.value
        return f"(size_bytes {'>' if term.field == 'larger' else '<'} ${name})"
    text = str(term.value)
    if term.field == "rfc822msgid":
        values[name] = text.strip("<>")
        return f"(trim(rfc822_message_id, '<> ') = ${name})"
    values[name] = _pattern(text)
    return "(" + " OR ".join(f"regexp_matches({column}, ${name})" for column in _TEXTS[term.field]) + ")"


def _pattern(text: str) -> str:
    """A word or phrase as an RE2 pattern: whole words, any case, any white space between the words of a phrase."""
    words_of = text.split()
    words = r"[\pZ\p{Cc}]+".join(_quoted(word) for word in words_of)  # RE2's \s knows no non-breaking space
    if _UNSPACED.search(text):
        return f"(?is){words}"
    before = r"(?:^|[^\pL\pM\pN_])" if _in_word(words_of[0][0]) else ""
    after = r"(?:$|[^\pL\pM\pN_])" if _in_word(words_of[-1][-1]) else ""
    return f"(?is){before}{words}{after}"


def _in_word(char: str) -> bool:
    """Letters and digits, and the marks on them: vowel signs of Indic scripts, accents of their own."""
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _quoted(word: str) -> str:
    return "".join(char if char.isalnum() else rf"\x{{{ord(char):x}}}" for char in word)
