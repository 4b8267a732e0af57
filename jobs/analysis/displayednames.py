"""Finds well-known names that a sender shows although the address belongs to somebody else.

The names and the domains that belong to them are in data/brands.toml.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from jobs.analysis.lookalikes import SEEN_AS, WELL_KNOWN

_WORD = re.compile(r"[a-z0-9]+")


class _Brands(NamedTuple):
    owners: dict[str, frozenset[str]]  # name -> first labels of its domains
    owned: frozenset[str]  # all such labels
    anywhere: re.Pattern[str]
    beginning: re.Pattern[str]
    lures: frozenset[str]
    first_words: frozenset[str]  # of the names: a name without any is not searched


@lru_cache(maxsize=4096)
def foreign_name(name: str, domain: str) -> str:
    """The well-known name in a display name whose address is in a domain of somebody else; "": none.

    Args:
        name: at most 200 characters.
        domain: the registered domain of the address, in lower case.
    """
    if not name:
        return ""
    brands = _brands()
    plain = _folded(name)
    if brands.first_words.isdisjoint(_WORD.findall(plain)):
        return ""
    found = brands.anywhere.findall(plain)
    if first := brands.beginning.match(plain):
        found.append(first[1])
    label = domain.partition(".")[0]
    if not found or any(_belongs(label, brands.owners[each]) for each in found):
        return ""
    return str(found[0])


@lru_cache(maxsize=4096)
def lured_by(domain: str) -> str:
    """The well-known name in a registered domain such as paypal-secure.example; "": none."""
    words = domain.partition(".")[0].split("-")
    if len(words) < 2 or _brands().lures.isdisjoint(words):
        return ""
    return next((word for word in words if word in WELL_KNOWN), "")


def belongs_to_brand(domain: str) -> bool:
    """Whether a registered domain belongs to a well-known name."""
    return domain.partition(".")[0] in _brands().owned


def _belongs(label: str, owners: frozenset[str]) -> bool:
    """paypal-communication belongs to paypal, paypal-secure does not."""
    if label in owners:
        return True
    start, hyphen, rest = label.partition("-")
    return bool(hyphen) and start in owners and _brands().lures.isdisjoint(rest.split("-"))


def _folded(name: str) -> str:
    """In lower case, with the letters that the reader sees."""
    if name.isascii():
        return name.lower()
    plain = unicodedata.normalize("NFKD", name)
    seen = (char for char in plain if not unicodedata.combining(char) and unicodedata.category(char) != "Cf")
    return "".join(char if char.isascii() else char.translate(SEEN_AS) for char in seen).lower()


@cache
def _brands() -> _Brands:
    data = tomllib.loads((resources.files("jobs.analysis") / "data" / "brands.toml").read_text(encoding="utf-8"))
    owners = {name: frozenset(labels.split()) for name, labels in {**data["distinctive"], **data["ordinary"]}.items()}
    follows = _any_of(data["follows"]["words"].split())
    return _Brands(
        owners,
        frozenset().union(*owners.values()),
        re.compile(rf"(?<![\w.@-])({_any_of(data['distinctive'])})(?![\w@-])"),
        re.compile(rf"\W{{0,5}}(?:your |my |the )?({_any_of(data['ordinary'])})(?:\W*\Z|\W{{1,3}}(?:{follows})\b)"),
        frozenset(data["follows"]["lures"].split()),
        frozenset(_WORD.findall(name)[0] for name in owners),
    )


def _any_of(names: Iterable[str]) -> str:
    """Longer names first: "office 365" before "office"."""
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
