"""Which kinds of personal data a message holds, and how many of each. Never which."""

import re
from collections import Counter
from itertools import pairwise

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail

_MOST_CHARS = 10_000
_ENTRY = pa.struct([pa.field("kind", pa.string()), pa.field("count", pa.int32())])
#: Everything that may be somebody's number begins with a figure, a plus or a bracket: one pass finds all of them.
#: Patterns begin with a set of characters, for which `re` looks fastest; what stands before is looked at afterwards.
_FIGURES = re.compile(r"[+(\d][\d ()./-]{6,25}\d(?![\w@/=])")
_NOT_BEFORE = frozenset("@./=-+_(")
_IBAN = re.compile(r"[A-Z][A-Z]\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")
_LOCAL = re.compile(r"[\w.+-]{1,64}$")
_DOMAIN = re.compile(r"@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_MOST_ADDRESSES = 200
_SSN = re.compile(r"(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}")
_PHONE = re.compile(r"(?:\+|00)\d[\d ()./-]{6,20}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|0\d{2,4}[ /-]\d[\d -]{4,9}")
_ADDRESS = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_SHORTEST_CARD, _LONGEST_CARD = 13, 19


class PersonalData:
    """E-mail and IPv4 addresses, telephone numbers, cards (Luhn), IBANs (ISO 13616), US social security numbers."""

    name, version = "personal_data", 1
    fields: tuple[Field, ...] = (("found", pa.list_(_ENTRY)),)

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(kinds with how many different ones each); None where there is none."""
        text = mail.message.text[:_MOST_CHARS]
        found: Counter[str] = Counter()
        for candidate in _standing(_FIGURES, text):
            if kind := _kind(candidate):
                found[kind] += 1
        found["email"] += len(_emails(text))
        found["iban"] += sum(map(is_iban, _standing(_IBAN, text)))
        entries = [{"kind": kind, "count": count} for kind, count in sorted(found.items()) if count]
        return (entries,) if entries else None


def _standing(pattern: "re.Pattern[str]", text: str) -> set[str]:
    """The different matches that are not the end of something longer."""
    return {
        match[0]
        for match in pattern.finditer(text)
        if not (at := match.start()) or not (text[at - 1].isalnum() or text[at - 1] in _NOT_BEFORE)
    }


def _emails(text: str) -> set[str]:
    """The addresses in a text, looked for around each "@": a pattern that begins with letters looks at every word."""
    found: set[str] = set()
    at = text.find("@")
    for _ in range(_MOST_ADDRESSES):
        if at < 0:
            break
        domain, local = _DOMAIN.match(text, at), _LOCAL.search(text[max(0, at - 64) : at])
        if domain and local:
            found.add(local[0] + domain[0])
        at = text.find("@", at + 1)
    return found


def _kind(text: str) -> str | None:
    digits = "".join(filter(str.isdecimal, text))
    is_long = _SHORTEST_CARD <= len(digits) <= _LONGEST_CARD and digits.isascii()
    if is_long and not text.startswith(("+", "00")) and is_card(digits):
        return "card"
    if _SSN.fullmatch(text):
        return "ssn"
    if _ADDRESS.fullmatch(text):
        return "ip" if all(int(part) < 256 for part in text.split(".")) else None
    return "phone" if _PHONE.fullmatch(text) else None


def is_card(digits: str) -> bool:
    """Whether figures are a payment card's number: a range that is issued (ISO 7812), and Luhn's checksum."""
    if digits[0] not in "3456" or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether a text is an IBAN: 15 to 34 characters whose remainder by 97 is 1 (ISO 13616)."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34 or all(one == other for one, other in pairwise(plain[4:])):
        return False
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1
