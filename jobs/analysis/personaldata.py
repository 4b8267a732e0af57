"""Counts the kinds of personal data in a message. Values are never stored.

Numbers with a checksum are verified: IBAN by ISO 13616 (mod 97), cards by Luhn and the issuer's digits. Other data are
recognized by their form only.
"""

import re

import pyarrow as pa

from jobs.analysis.mail import Mail

_READ_CHARS = 12_000
_MOST = 1_000

_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}(?![\w-])")
_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|6(?:011|5|4[4-9])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+[1-9][0-9 ().-]{7,18}[0-9]|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[.-][0-9]{4})(?![\w-])"
)
_EMAIL = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,5}[A-Za-z]{2,20}\b")
_IP = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)")
_DIGITS = re.compile(r"[0-9]")
#: Pieces of text that may contain numbers. Begins with a character set, to which the search can skip; the other
#: patterns would be tried at every character (measured: 317 microseconds a message of SpamAssassin instead of 29).
_RUN = re.compile(r"[0-9][0-9A-Z .()-]{6,}")

#: Lengths of IBANs by country (SWIFT's registry); other countries: 15 to 34 characters.
_IBAN_LENGTHS = {
    "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18,
    "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SA": 24, "SE": 24, "SI": 19,
    "SK": 24, "TR": 26, "UA": 29, "AE": 23, "IL": 23,
}  # fmt: skip


class PersonalData:
    """Counts over subject and text, quoted text included. Null when all are 0."""

    name = "personaldata"
    version = 2  # 2: reads 12,000 characters
    fields = (
        ("ibans", pa.int32()),  # with a valid checksum
        ("cards", pa.int32()),  # with an issuer's prefix and a valid check digit
        ("social_security_numbers", pa.int32()),  # in the United States' form
        ("phones", pa.int32()),  # international, or ten digits grouped as in North America
        ("emails", pa.int32()),
        ("ip_addresses", pa.int32()),  # of version 4
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        text = f"{mail.message.subject[:1_000]}\n{mail.message.text[:_READ_CHARS]}"
        emails = min(len(_EMAIL.findall(text)), _MOST) if "@" in text else 0
        numbers = _with_digits(text)
        if not numbers:
            return (0, 0, 0, 0, emails, 0) if emails else None
        counts = (
            sum(is_iban(number) for number in _IBAN.findall(numbers)[:_MOST]),
            sum(is_card(number) for number in _CARD.findall(numbers)[:_MOST]),
            min(len(_SSN.findall(numbers)), _MOST),
            min(len(_PHONE.findall(numbers)), _MOST),
            emails,
            min(len(_IP.findall(numbers)), _MOST),
        )
        return counts if any(counts) else None


def _with_digits(text: str) -> str:
    """The pieces of a text that may contain numbers, with the surrounding characters that the patterns examine."""
    return "\n".join([text[max(run.start() - 4, 0) : run.end() + 3] for run in _RUN.finditer(text)])


def is_iban(text: str) -> bool:
    """Whether the checksum of ISO 13616 is valid, and the length where the country's is known."""
    packed = text.replace(" ", "")
    if len(packed) != _IBAN_LENGTHS.get(packed[:2], len(packed)) or not 15 <= len(packed) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in packed[4:] + packed[:4])) % 97 == 1


def is_card(text: str) -> bool:
    """Whether the prefix is an issuer's and the check digit (Luhn) is valid."""
    digits = [int(digit) for digit in _DIGITS.findall(text)]
    if not 13 <= len(digits) <= 19 or not _ISSUER.match("".join(map(str, digits[:4]))) or len(set(digits)) < 2:
        return False
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
