"""What a release's OpenAPI document took away from an earlier one's, or changed in meaning.

Each change is one line that names the operation and the part, such as "GET /api/v1/labels: gone". What is only added
breaks nobody and is no change here: a path, an optional parameter, a field of an answer, a status of an error.
A change of a header in every operation that had it is one line: "every operation: parameter header Accept: ...".
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
#: Of a schema: what changes its meaning when it differs.
_MEANING = ("type", "format", "const", "pattern")
_METHODS = frozenset(("get", "put", "post", "delete", "options", "head", "patch", "trace"))
_DEEP = 12


def api_changes(old: Document, new: Document) -> list[str]:
    """What clients of the old document may trip over in the new one."""
    found = set(_changes(old, new))
    times = Counter(what for _, what in found)
    users = _users_of_headers(old)
    common = {what for what, count in times.items() if count > 1 and count == users.get(_header_of(what))}
    each = [f"{name}: {what}" for name, what in found if what not in common]
    return sorted(each + [f"every operation: {what}" for what in common])


def _users_of_headers(document: Document) -> Counter[str]:
    """How many operations take each header."""
    return Counter(
        one["name"]
        for operations in document["paths"].values()
        for method in operations.keys() & _METHODS
        for one in operations[method].get("parameters", [])
        if one["in"] == "header"
    )


def _header_of(what: str) -> str:
    """The header that a change is about; empty: none."""
    found = re.match(r"(?:the )?parameter header ([^ :]+)", what)
    return found[1] if found else ""


def _changes(old: Document, new: Document) -> Iterator[tuple[str, str]]:
    """Each as (operation, what changed)."""
    for path, operations in old["paths"].items():
        for method in operations.keys() & _METHODS:
            name = f"{method.upper()} {path}"
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                yield name, "gone"
                continue
            for what in _of_operation(operations[method], now, old, new):
                yield name, what


def _of_operation(old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    yield from _of_parameters(old, new, before, after)
    if not old.get("security") and new.get("security"):
        yield "needs a token"
    yield from _of_body(old, new, before, after)
    for status, answer in old["responses"].items():
        if not status.startswith("2"):
            continue
        if status not in new["responses"]:
            yield f"the answer {status} is gone"
            continue
        now = new["responses"][status].get("content", {})
        for media, content in answer.get("content", {}).items():
            if media not in now:
                yield f"the answer {status} is no longer {media}"
            else:
                yield from _of_schema(
                    content.get("schema", {}), now[media].get("schema", {}), before, after, f"answer {status}", True, 0
                )


def _of_parameters(old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    then = {(one["in"], one["name"]): one for one in old.get("parameters", [])}
    now = {(one["in"], one["name"]): one for one in new.get("parameters", [])}
    for (place, name), one in then.items():
        what = f"parameter {place} {name}"
        if (place, name) not in now:
            yield f"the {what} is gone"
            continue
        if now[place, name].get("required") and not one.get("required"):
            yield f"the {what} is required"
        yield from _of_schema(one.get("schema", {}), now[place, name].get("schema", {}), before, after, what, False, 0)
    for (place, name), one in now.items():
        if (place, name) not in then and one.get("required"):
            yield f"the parameter {place} {name} is new and required"


def _of_body(old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    then, now = old.get("requestBody"), new.get("requestBody")
    if now is not None and now.get("required") and not (then or {}).get("required"):
        yield "a body is required"
    if then is None:
        return
    if now is None:
        yield "the body is gone"
        return
    for media, content in then["content"].items():
        if media not in now["content"]:
            yield f"a body of {media} is no longer taken"
        else:
            schema = now["content"][media].get("schema", {})
            yield from _of_schema(content.get("schema", {}), schema, before, after, "body", False, 0)


def _of_schema(
    old: Document, new: Document, before: Document, after: Document, where: str, answered: bool, depth: int
) -> Iterator[str]:
    """answered: the server writes it (what may go missing counts), else it reads it (what it refuses counts)."""
    old, new = _resolved(old, before), _resolved(new, after)
    if depth > _DEEP:
        return
    for key in _MEANING:
        if old.get(key) != new.get(key):
            yield f"{where}: {key} was {old.get(key)!r} and is {new.get(key)!r}"
    yield from _of_values(old, new, where, answered)
    if not answered:
        yield from _of_bounds(old, new, where)
    then, now = old.get("properties", {}), new.get("properties", {})
    for name, inner in then.items():
        if name not in now:
            yield f"{where}: the field {name} is gone"
        else:
            yield from _of_schema(inner, now[name], before, after, f"{where}.{name}", answered, depth + 1)
    was, must = set(old.get("required", ())), set(new.get("required", ()))
    missing = (was & now.keys()) - must if answered else must - was
    for name in missing:
        yield f"{where}: the field {name} " + ("may be missing" if answered else "is required")
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield from _of_schema(old[key], new[key], before, after, f"{where}[]", answered, depth + 1)
    yield from _of_choices(old, new, before, after, where, answered, depth)


def _of_values(old: Document, new: Document, where: str, answered: bool) -> Iterator[str]:
    then, now = old.get("enum"), new.get("enum")
    if then is None and now is None:
        return
    if then is None or now is None:
        if (then is None) != answered:
            yield f"{where}: any value was allowed, now some are" if then is None else f"{where}: new values may come"
        return
    lost = [value for value in then if value not in now] if not answered else []
    if lost:
        yield f"{where}: no longer takes {', '.join(map(repr, lost))}"


def _of_bounds(old: Document, new: Document, where: str) -> Iterator[str]:
    for key, narrower in (("maximum", -1), ("maxLength", -1), ("maxItems", -1), ("minimum", 1), ("minLength", 1)):
        then, now = old.get(key), new.get(key)
        if now is not None and (then is None or (now - then) * narrower > 0):
            yield f"{where}: {key} was {then} and is {now}"


def _of_choices(
    old: Document, new: Document, before: Document, after: Document, where: str, answered: bool, depth: int
) -> Iterator[str]:
    for key in ("anyOf", "oneOf"):
        then, now = old.get(key, []), new.get(key, [])
        fewer, more = len(now) < len(then), len(now) > len(then)
        if bool(then) != bool(now) or (then and (more if answered else fewer)):
            yield f"{where}: {key} was {len(then)} schemas and is {len(now)}"
        elif len(then) == len(now):
            for one, other in zip(then, now, strict=True):
                yield from _of_schema(one, other, before, after, where, answered, depth + 1)


def _resolved(schema: Document, document: Document) -> Document:
    while "$ref" in schema:
        found: Document = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema
