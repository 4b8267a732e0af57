"""Compiles conditions on content, sizes and dates to SQL over the columns of schemas.MESSAGES, for DuckDB.

Each leaf becomes an atom: SQL that is exact, or that all messages matching the leaf satisfy, and some others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from storage.query.conditions import (
    AllOf,
    AnyOf,
    Attached,
    Condition,
    Contains,
    ContainsExactly,
    ContentLeaf,
    IndexLeaf,
    Labelled,
    LargerThan,
    Mentions,
    MessageId,
    Near,
    Negated,
    Since,
    SmallerThan,
    UserLabelled,
    leaves,
)
from storage.query.patterns import pattern

#: Patterns per phrase: matches are verified anyway, and a long pasted phrase must not become a thousand patterns.
_MOST_PATTERNS = 6
_COLUMNS: Mapping[str, str] = {
    "subject": "subject",
    "text": '"text"',
    "from": '"from"',
    "to": 'array_to_string("to", chr(10))',
    "cc": "array_to_string(cc, chr(10))",
    "bcc": "array_to_string(bcc, chr(10))",
    "list": "list_id",
    "filename": "array_to_string(list_transform(attachments, lambda a: a.filename), chr(10))",
    "deliveredto": (
        "array_to_string(list_transform(list_filter(headers, lambda h: lower(h.name) = 'delivered-to'), "
        "lambda h: h.value), chr(10))"
    ),
}


@dataclass(frozen=True, slots=True)
class Atom:
    """A leaf and its SQL. Not exact: messages that satisfy the SQL must be verified."""

    leaf: IndexLeaf | ContentLeaf
    sql: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """candidates: SQL over `atoms` (a0, a1 …) that every match satisfies. values: bound by name."""

    atoms: tuple[Atom, ...]
    candidates: str
    values: Mapping[str, object]


def compile_condition(condition: Condition) -> Scan:
    """Compile the leaves that Parquet can evaluate, and a bound of the whole condition."""
    values: dict[str, object] = {}

    def bind(value: object) -> str:
        name = f"v{len(values)}"
        values[name] = value
        return f"${name}"

    known = [leaf for leaf in dict.fromkeys(leaves(condition)) if not isinstance(leaf, Labelled | UserLabelled)]
    atoms = tuple(_atom(leaf, bind) for leaf in known)
    numbers = {atom.leaf: number for number, atom in enumerate(atoms)}
    return Scan(atoms, _bound(condition, True, atoms, numbers), values)


def _bound(
    condition: Condition, upper: bool, atoms: Sequence[Atom], numbers: Mapping[IndexLeaf | ContentLeaf, int]
) -> str:
    """SQL that is true wherever the condition is (upper), or false wherever the condition is (lower)."""
    if isinstance(condition, Negated):
        return f"NOT {_bound(condition.part, not upper, atoms, numbers)}"
    if isinstance(condition, AllOf | AnyOf):
        parts = [_bound(part, upper, atoms, numbers) for part in condition.parts]
        if isinstance(condition, AllOf):
            return f"({' AND '.join(parts)})" if parts else "TRUE"
        return f"({' OR '.join(parts)})" if parts else "FALSE"
    number = numbers.get(condition)
    if number is None or not (upper or atoms[number].exact):
        return "TRUE" if upper else "FALSE"
    return f"a{number}"


def _atom(leaf: IndexLeaf | ContentLeaf, bind: Callable[[object], str]) -> Atom:
    if isinstance(leaf, Contains):
        return Atom(leaf, _words(leaf.fields, leaf.words, bind), False)
    if isinstance(leaf, ContainsExactly):
        return Atom(leaf, _words(leaf.fields, leaf.folded, bind), False)
    if isinstance(leaf, Near):
        return Atom(leaf, _words(leaf.fields, (*leaf.left, *leaf.right), bind), False)
    return Atom(leaf, _exact(leaf, bind), True)


def _exact(leaf: IndexLeaf | ContentLeaf, bind: Callable[[object], str]) -> str:
    if isinstance(leaf, Mentions):
        return "(" + " OR ".join(f'contains("text", {bind(part)})' for part in leaf.parts) + ")"
    if isinstance(leaf, MessageId):
        return f"(trim(rfc822_message_id, '<> ') = {bind(leaf.value)})"
    if isinstance(leaf, Attached):
        return "(len(attachments) > 0)"
    if isinstance(leaf, Since):
        return f"(received_at >= {bind(leaf.at)})"
    assert isinstance(leaf, LargerThan | SmallerThan)
    return f"(size_bytes {'>' if isinstance(leaf, LargerThan) else '<'} {bind(leaf.size_bytes)})"


def _words(fields: Sequence[str], words: Sequence[str], bind: Callable[[object], str]) -> str:
    """The longest words, which are the rarest, all in one of the fields, in any order."""
    longest = sorted(dict.fromkeys(words), key=len, reverse=True)[:_MOST_PATTERNS]
    patterns = [bind(regex) for word in longest if (regex := pattern(word))]
    if not patterns:
        return "TRUE"
    columns = [" AND ".join(f"regexp_matches({_COLUMNS[name]}, {bound})" for bound in patterns) for name in fields]
    return "(" + " OR ".join(f"({column})" for column in columns) + ")"
