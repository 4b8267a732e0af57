"""Detects domains that imitate well-known ones.

A domain is folded to its visual appearance: punycode decoded, letters of other scripts and look-alike pairs replaced.
It is a look-alike if the result equals a well-known name, or differs from a long one by one typing error, and the
domain does not belong to that name.
"""

import unicodedata
from functools import lru_cache

#: Names that are often imitated, as labels of their domains.
WELL_KNOWN = frozenset(
    {
        "paypal", "google", "gmail", "microsoft", "outlook", "office365", "apple", "icloud", "amazon", "facebook",
        "instagram", "linkedin", "netflix", "dropbox", "docusign", "adobe", "twitter", "whatsapp", "telegram",
        "github", "gitlab", "spotify", "ebay", "yahoo", "wellsfargo", "bankofamerica", "citibank", "barclays",
        "santander", "deutschebank", "deutsche-bank",
        "commerzbank", "sparkasse", "postbank", "revolut", "coinbase", "binance",
        "kraken", "stripe", "fedex", "usps", "postnl", "royalmail", "airbnb", "booking", "expedia", "steampowered",
        "walmart", "alibaba", "aliexpress", "mastercard",
    }
)  # fmt: skip

#: Names one letter away from a common word ("cooking", "strip") are matched exactly only.
_NEAR_WORDS = frozenset({"booking", "stripe", "kraken", "deutsche-bank"})
_LONG = tuple(sorted(name for name in WELL_KNOWN - _NEAR_WORDS if len(name) >= 6))

#: Letters and signs of other scripts -> the Latin letter that they resemble.
SEEN_AS = str.maketrans(
    "аАеЕоОрРсСхХуУіІјЈѕЅԁһҺкКмМтТвВнНΑαΒΕεΖΗΙιΚκΜΝνΟοΡρΤτΥυΧχıɡɑℓ0135@$",
    "aaeeooppccxxyyiijjssdhhkkmmttbbhhaabeezhiikkmnvooppttyyxxigalolesas",
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


@lru_cache(maxsize=4096)
def lookalike(domain: str) -> str:
    """The well-known name that a domain imitates; "": none, or the domain belongs to that name.

    Args:
        domain: in lower case, at most 255 characters.
    """
    labels = _shown(domain[:255]).split(".")
    if len(labels) < 2:
        return ""
    for label in labels[:-1][-4:]:
        name = _imitated(label)
        if name:
            return name
    return ""


def _shown(domain: str) -> str:
    labels = []
    for label in domain.split("."):
        if label.startswith("xn--"):
            try:
                label = label[4:].encode("ascii").decode("punycode")
            except (UnicodeError, ValueError, OverflowError):
                label = ""
        labels.append(label)
    return ".".join(labels)


def _imitated(label: str) -> str:
    if label in WELL_KNOWN or len(label) < 4 or len(label) > 30:
        return ""
    plain = "".join(char for char in unicodedata.normalize("NFKD", label) if not unicodedata.combining(char))
    folded = plain.translate(SEEN_AS).replace("-", "")
    pairs = folded
    for pair, letter in _PAIRS:
        pairs = pairs.replace(pair, letter)
    for seen in (folded, pairs):
        if seen in WELL_KNOWN:
            return seen
        # One error in a short name makes another word: "apply" is not "apple", but "goggle" would be "google".
    if len(label) >= 6:
        return next((name for name in _LONG if abs(len(name) - len(label)) <= 1 and _one_off(label, name)), "")
    return ""


def _one_off(one: str, other: str) -> bool:
    """Whether the words differ by one letter changed, added or left out, or by two neighbours swapped."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (len(left) > 1 and len(right) > 1 and left[1] + left[0] + left[2:] == right)
    )
