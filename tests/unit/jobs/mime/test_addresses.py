import pytest

from jobs.mime.addresses import Address, parse
from jobs.mime.defects import Defects


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a@b.c", [("", "a@b.c")]),
        ("<a@b.c>", [("", "a@b.c")]),
        ("A B <a@b.c>", [("A B", "a@b.c")]),
        ('"B, A" <a@b.c>', [("B, A", "a@b.c")]),
        ("A <a@b.c>, d@e.f,\n G <g@h.i>", [("A", "a@b.c"), ("", "d@e.f"), ("G", "g@h.i")]),
        ('"B, A" <a@b.c>, d@e.f', [("B, A", "a@b.c"), ("", "d@e.f")]),
        ("friends: a@b.c, D <d@e.f>;", [("", "a@b.c"), ("D", "d@e.f")]),
        ("a@b.c (A B)", [("A B", "a@b.c")]),
        ("=?utf-8?q?B=2C_=C3=A9?= <a@b.c>", [("B, é", "a@b.c")]),
        ("\xe9 <a@b.c>", [("é", "a@b.c")]),
        ("Nobody", [("", "Nobody")]),
        ("Nobody <>", [("Nobody", "")]),
    ],
)
def test_addresses_are_read(value: str, expected: list[tuple[str, str]]) -> None:
    found = parse(value, 10, Defects())

    assert list(found.shown) == [str(Address(*one)) for one in expected]
    assert [found.first] == [Address(*one) for one in expected[:1]] or not expected


def test_the_number_of_addresses_is_bounded() -> None:
    assert len(parse("a@b.c," * 100, 7, Defects()).shown) == 7
    assert len(parse('"x, y" <a@b.c>,' * 100, 7, Defects()).shown) == 7


@pytest.mark.parametrize("piece", ['"', "(", "<", "\\", "a:", ";", "a@", '"a" <', "(()", "[", ","])
def test_hostile_lists_pass(piece: str) -> None:
    assert len(parse(piece * 20_000, 50, Defects()).shown) <= 50


def test_an_address_is_displayed_with_its_name() -> None:
    assert str(Address("A", "a@b.c")) == "A <a@b.c>"
    assert str(Address("", "a@b.c")) == "a@b.c"
    assert str(Address("A", "")) == "A"
