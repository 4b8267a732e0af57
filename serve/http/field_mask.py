"""`fields=id,items(subject,from)`: the parts of an answer that a client wants, and nothing else.

Names of members, separated by commas; in parentheses or after a slash those of the members below, through lists as if
they were one. As Google's partial responses, without wildcards. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

from storage.errors import BackupError

#: What is wanted of each member; an empty mapping: all of it.
Wanted = dict[str, Any]

_MOST_CHARACTERS, _DEEPEST = 1000, 8
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_-]*)|([,()/]))")


class InvalidFields(BackupError):
    """`fields` names what there is not, or cannot be read. Correct it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f'"fields" {self.problem}: name members of the answer, as in fields=next_cursor,items(id,subject).'


def parse(text: str | None) -> Wanted | None:
    """What a `fields` parameter asks for; None: everything.

    Raises:
        InvalidFields.
    """
    if text is None:
        return None
    if len(text) > _MOST_CHARACTERS:
        raise InvalidFields(f"is longer than {_MOST_CHARACTERS} characters")
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise InvalidFields(f"cannot be read from character {at + 1} on")
        tokens.append(found[1] or found[2])
        at = found.end()
    wanted, rest = _list(tokens, 0)
    if rest:
        raise InvalidFields(f'has a "{rest[0]}" too many')
    return wanted


def narrow(document: Any, wanted: Mapping[str, Any]) -> Any:
    """The wanted parts of a JSON document.

    Raises:
        InvalidFields: it has no such member.
    """
    if isinstance(document, list):
        return [narrow(item, wanted) for item in document]
    if not wanted or document is None:
        return document
    if not isinstance(document, dict):
        raise InvalidFields("names members of what has none")
    for name in wanted:
        if name not in document:
            raise InvalidFields(f'names "{name}", which is not there')
    return {name: narrow(document[name], below) for name, below in wanted.items()}


def _list(tokens: list[str], depth: int) -> tuple[Wanted, list[str]]:
    if depth > _DEEPEST:
        raise InvalidFields("goes too deep")
    wanted: Wanted = {}
    while True:
        name, below, tokens = _member(tokens, depth)
        wanted[name] = {**wanted.get(name, {}), **below}
        if not tokens or tokens[0] != ",":
            return wanted, tokens
        tokens = tokens[1:]


def _member(tokens: list[str], depth: int) -> tuple[str, Wanted, list[str]]:
    if not tokens or tokens[0] in ",()/":
        raise InvalidFields("lacks a name")
    name, *rest = tokens
    if rest and rest[0] == "(":
        below, rest = _list(rest[1:], depth + 1)
        if not rest or rest[0] != ")":
            raise InvalidFields('lacks a ")"')
        return name, below, rest[1:]
    if rest and rest[0] == "/":
        if depth >= _DEEPEST:
            raise InvalidFields("goes too deep")
        inner, deeper, rest = _member(rest[1:], depth + 1)
        return name, {inner: deeper}, rest
    return name, {}, rest
