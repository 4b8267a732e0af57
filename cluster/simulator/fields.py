"""Partial responses: Google's `fields` parameter, e.g. "nextPageToken,messages(id,threadId)". No I/O."""

from functools import lru_cache
from typing import Any

from cluster.simulator.answers import invalid

# A mask maps a field to the mask of its subfields; an empty mask selects all.
Mask = dict[str, "Mask"]


@lru_cache(maxsize=256)
def parse_fields(text: str) -> Mask:
    """The mask that a `fields` value describes: names, a/b paths, a(b,c) groups and "*".

    Raises:
        GoogleError: 400, it is not well formed.
    """
    mask, end = _group(text, 0)
    if end != len(text) or not mask:
        raise invalid(f"Invalid field selection {text}")
    return mask


def select(document: Any, mask: Mask) -> Any:
    """The part of a document that the mask selects; the mask applies to each element of a list."""
    if not mask or ("*" in mask and not mask["*"]):
        return document
    if isinstance(document, list):
        return [select(item, mask) for item in document]
    if not isinstance(document, dict):
        return document
    everything = mask.get("*")
    return {
        name: select(value, mask.get(name, everything or {}))
        for name, value in document.items()
        if name in mask or everything is not None
    }


def _group(text: str, start: int) -> tuple[Mask, int]:
    mask: Mask = {}
    position = start
    while True:
        position = _field(text, position, mask)
        if position >= len(text) or text[position] != ",":
            return mask, position
        position += 1


def _field(text: str, start: int, mask: Mask) -> int:
    end = start
    while end < len(text) and text[end] not in ",()/":
        end += 1
    name = text[start:end].strip()
    if not name:
        raise invalid(f"Invalid field selection {text}")
    inside = mask.setdefault(name, {})
    if end < len(text) and text[end] == "/":
        return _field(text, end + 1, inside)
    if end < len(text) and text[end] == "(":
        group, closing = _group(text, end + 1)
        if closing >= len(text) or text[closing] != ")":
            raise invalid(f"Invalid field selection {text}")
        inside.update(group)
        return closing + 1
    return end
