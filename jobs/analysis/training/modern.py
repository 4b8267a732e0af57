"""Synthetic mail of today in six languages (modern.toml): honest mail and spam that the public corpora of 2002 lack.

Texts are filled in by checksums, not by a random generator: the same bytes on every machine and version.
"""

import tomllib
from collections.abc import Iterator
from html import escape
from importlib import resources
from zlib import crc32

from jobs.analysis.mail import Mail
from jobs.analysis.training.corpus import Example
from jobs.mime.parser import parse

#: Messages made of one text.
_VARIANTS = 4
_FILLINGS = {
    "name": ("Anna", "Ben", "Clara", "David", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas"),
    "company": ("Acme", "Globex", "Initech", "Umbra Logistics", "Norden Energy", "Fabrikam", "Contoso", "Lumen Health"),
    "date": ("12.03.2025", "3 June", "2024-11-05", "14/09", "28.01.", "7.7.2026"),
    "month": ("01/2025", "06/2024", "2026-03", "11/2025"),
    "number": ("10482", "2025-117", "A-77310", "984213", "55-0192"),
    "amount": ("$1,250.00", "€ 480", "99,90 €", "$2,500,000", "EUR 15.000", "£320", "R$ 1.890,00"),
    "item": ("headphones", "Schuhe", "livres", "zapatos", "camisas", "libri", "a desk lamp"),
    "host": ("shop.example", "example.com", "mail.example.org", "service.example.net"),
    "city": ("Berlin", "Lyon", "Madrid", "Porto", "Milano", "Dallas"),
}


def examples() -> list[Example]:
    """The messages, in a fixed order."""
    data = tomllib.loads((resources.files(__package__) / "modern.toml").read_text(encoding="utf-8"))
    return list(_examples(data))


def _examples(data: dict[str, dict[str, list[str]]]) -> Iterator[Example]:
    for language, kinds in data.items():
        for kind, texts in kinds.items():
            for number, text in enumerate(texts):
                for variant in range(_VARIANTS):
                    name = f"{kind}-{language}-{number:02}-{variant}"
                    yield Example(name, Mail(parse(_raw(name, text, variant))), kind == "spam", frozenset(), None)


def _raw(name: str, text: str, variant: int) -> bytes:
    for slot, values in _FILLINGS.items():
        while f"{{{slot}}}" in text:
            choice = crc32(f"{name} {slot} {len(text)}".encode())
            text = text.replace(f"{{{slot}}}", values[choice % len(values)], 1)
    subject, _, body = text.partition(" | ")
    kind = "plain"
    if variant % 2:
        kind = "html"
        lines = "".join(f"<p>{escape(line)}</p>" for line in body.replace(". ", ".\n").split("\n"))
        body = f"<html><body>{lines}</body></html>"
    head = f"From: sender@example.net\nTo: me@example.com\nSubject: {subject}\n"
    return f"{head}Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}\n".encode()
