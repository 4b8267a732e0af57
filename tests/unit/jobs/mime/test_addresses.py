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
        ("service@bank.example <phisher@evil.example>", [("service@bank.example", "phisher@evil.example")]),
        ("a@x <a@x>, b@y <b@y>", [("a@x", "a@x"), ("b@y", "b@y")]),
        ("A <@r,@s:c@d>", [("A", "c@d")]),
        ("<@r:c@d>", [("", "c@d")]),
        ("Team ,_<a@b.c>", [("Team ,_", "a@b.c")]),
        ("Doe, Jane <a@b.c>, Roe, R <d@e.f>", [("Doe, Jane", "a@b.c"), ("Roe, R", "d@e.f")]),
        ("Doe; Jane <a@b.c>", [("Doe; Jane", "a@b.c")]),
        ("Help: desk <a@b.c>", [("Help: desk", "a@b.c")]),
        ("A [b] (c) d. <a@b.c>", [("A [b] (c) d.", "a@b.c")]),
        ('"Ann <a@b.c>', [("Ann", "a@b.c")]),
        ('"Ann <a@b.c>"', [("Ann", "a@b.c")]),
        ('Ann "x" y" <a@b.c>', [("Ann x y", "a@b.c")]),
        ("Ann <Sales> <a@b.c>", [("Ann <Sales>", "a@b.c")]),
        ("Ann <a@b.c", [("Ann", "a@b.c")]),
        ("Ann < a @ b.c >", [("Ann", "a@b.c")]),
        ("Ann <mailto:a@b.c>", [("Ann", "a@b.c")]),
        ("<a@b.c> (Ann)", [("Ann", "a@b.c")]),
        ("Ann Lee a@b.c", [("Ann Lee", "a@b.c")]),
        ("a@b.c d@e.f", [("", "a@b.c"), ("", "d@e.f")]),
        ("a@b.c; d@e.f", [("", "a@b.c"), ("", "d@e.f")]),
        ('"john doe"@b.c', [("", '"john doe"@b.c')]),
        ('<"j>d"@b.c>', [("", '"j>d"@b.c')]),
        ("A <x@[IPv6:::1]>, y@[10.0.0.1]", [("A", "x@[IPv6:::1]"), ("", "y@[10.0.0.1]")]),
        ("a@b@c", [("", "a@b@c")]),
        ("undisclosed-recipients:;", [("undisclosed-recipients:;", "")]),
        ("none: ;, a@b.c", [("none:;", ""), ("", "a@b.c")]),
        ("=?utf-8?q?B,_A?= <a@b.c>", [("B, A", "a@b.c")]),
        ("=?utf-8?q?Ann_=3Ca=40b.c=3E?=", [("Ann", "a@b.c")]),
        ('"\x1b$B2q5D\x1b(B" <a@b.c>', [("会議", "a@b.c")]),
        ("one, two, , <>", [("one, two,", "")]),
        ("Ann <<a@b.c>>", [("Ann", "a@b.c")]),
    ],
)
def test_addresses_are_read(value: str, expected: list[tuple[str, str]]) -> None:
    found = parse(value, 10, Defects())

    assert list(found.shown) == [str(Address(*one)) for one in expected]
    assert [found.first] == [Address(*one) for one in expected[:1]] or not expected


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("service@bank.example, <a@evil.example>", "service@bank.example,", "a@evil.example"),
        ("ann@x.example, Bob <bob@y.example>", "ann@x.example, Bob", "bob@y.example"),
        ("Mr: X; Y <a@b.c>", "Mr: X; Y", "a@b.c"),
        ("staff: Ann <a@b.c>;", "Ann", "a@b.c"),
        ("Ann <a@b.c>, Bob <d@e.f>", "Ann", "a@b.c"),
        ("a@b.c", "", "a@b.c"),
        (", <a@b.c>", ",", "a@b.c"),
        ("(Ann) <a@b.c>", "Ann", "a@b.c"),
    ],
)
def test_the_sender_is_the_one_address_in_brackets_whatever_stands_before_it(
    value: str, name: str, address: str
) -> None:
    assert parse(value, 10, Defects(), is_sender=True).first == Address(name, address)


def test_the_number_of_addresses_is_bounded() -> None:
    assert len(parse("a@b.c," * 100, 7, Defects()).shown) == 7
    assert len(parse('"x, y" <a@b.c>,' * 100, 7, Defects()).shown) == 7


@pytest.mark.parametrize(
    "piece", ['"', "(", "<", "\\", "a:", ";", "a@", '"a" <', "(()", "[", ",", " ", '<"', "x,", "a, <b", "=?a?q?"]
)
def test_hostile_lists_pass(piece: str) -> None:
    assert len(parse(piece * 20_000, 50, Defects()).shown) <= 50


def test_an_address_is_displayed_with_its_name() -> None:
    assert str(Address("A", "a@b.c")) == "A <a@b.c>"
    assert str(Address("", "a@b.c")) == "a@b.c"
    assert str(Address("A", "")) == "A"
