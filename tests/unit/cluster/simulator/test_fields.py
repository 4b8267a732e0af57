"""Partial answers."""

import pytest

from cluster.simulator.answers import GoogleError
from cluster.simulator.fields import parse_fields, select

_DOCUMENT = {"a": 1, "b": [{"c": 2, "d": {"e": 3, "f": 4}}, {"c": 5}], "g": 6}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ("a", {"a": 1}),
        ("a,g", {"a": 1, "g": 6}),
        ("b(c)", {"b": [{"c": 2}, {"c": 5}]}),
        ("b/d/e", {"b": [{"d": {"e": 3}}, {}]}),
        ("b(d(f),c),a", {"a": 1, "b": [{"c": 2, "d": {"f": 4}}, {"c": 5}]}),
        ("*", _DOCUMENT),
        ("b/*", {"b": _DOCUMENT["b"]}),
        ("nothing", {}),
    ],
)
def test_the_mask_selects(fields: str, selected: object) -> None:
    assert select(_DOCUMENT, parse_fields(fields)) == selected


@pytest.mark.parametrize("fields", ["", "a(", "a(b", "a)", "a,,b", "a(b))"])
def test_a_malformed_mask_is_refused(fields: str) -> None:
    with pytest.raises(GoogleError):
        parse_fields(fields)
