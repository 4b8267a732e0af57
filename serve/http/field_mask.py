"""`fields=id,items(subject,from)`: selects members of a JSON response.

Member names are separated by commas. Parentheses or a slash select members of a member; lists are transparent. The
syntax is that of Google's partial responses, without wildcards. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

from storage.errors import BackupError

#: Selected member -> selection within the member; an empty mapping selects the whole member.
Wanted = dict[str, Any]

_MOST_CHARACTERS, _DEEPEST = 1000, 8
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_-]*)|([,()/]))")


class InvalidFields(BackupError):
    """`fields` has a syntax error or names a member that does not exist. Correct it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f'"fields" {self.problem}: name members of the response, as in fields=next_cursor,items(id,subject).'


def parse(text: str | None) -> Wanted | None:
    """Parse a `fields` parameter; None selects everything.

    Raises:
        InvalidFields.
    """
    if text is None:
        return None
    if len(text) > _MOST_CHARACTERS:
        raise InvalidFields(f"is longer than {_MOST_CHARACTERS} characters")
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidFields(f"has a syntax error at character {at + 1}")
        tokens.append(match[1] or match[2])
        at = match.end()
    wanted, rest = _list(tokens, 0)
    if rest:
        raise InvalidFields(f'has an unexpected "{rest[0]}"')
    return wanted


def narrow(document: Any, wanted: Mapping[str, Any]) -> Any:
    """Return the selected members of a JSON document.

    Raises:
        InvalidFields: a selected member does not exist.
    """
    if isinstance(document, list):
        return [narrow(item, wanted) for item in document]
    if not wanted or document is None:
        return document
    if not isinstance(document, dict):
        raise InvalidFields("selects members of a value that has none")
    for name in wanted:
        if name not in document:
            raise InvalidFields(f'names "{name}", which does not exist')
    return {name: narrow(document[name], below) for name, below in wanted.items()}


def _list(tokens: list[str], depth: int) -> tuple[Wanted, list[str]]:
    if depth > _DEEPEST:
        raise InvalidFields("is nested too deeply")
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
            raise InvalidFields("is nested too deeply")
        inner, deeper, rest = _member(rest[1:], depth + 1)
        return name, {inner: deeper}, rest
    return name, {}, rest
