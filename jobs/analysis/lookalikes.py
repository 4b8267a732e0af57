"""Domains that look like one that people know, and are another."""

from functools import lru_cache
from unicodedata import combining, normalize

#: Whose names are used most to deceive; a name and where it is at home. One label each, matched without its ending.
KNOWN: dict[str, frozenset[str]] = {
    "google": frozenset({"google.com", "googlemail.com", "google.de", "google.co.uk", "google.fr"}),
    "gmail": frozenset({"gmail.com"}),
    "paypal": frozenset({"paypal.com", "paypal.de", "paypal.co.uk", "paypal.fr"}),
    "amazon": frozenset(
        {"amazon.com", "amazon.de", "amazon.co.uk", "amazon.fr", "amazon.it", "amazon.es", "amazon.ca"}
    ),
    "microsoft": frozenset({"microsoft.com"}),
    "microsoftonline": frozenset({"microsoftonline.com"}),
    "outlook": frozenset({"outlook.com", "outlook.de", "outlook.fr"}),
    "facebook": frozenset({"facebook.com", "facebookmail.com"}),
    "instagram": frozenset({"instagram.com"}),
    "linkedin": frozenset({"linkedin.com"}),
    "netflix": frozenset({"netflix.com"}),
    "icloud": frozenset({"icloud.com"}),
    "dropbox": frozenset({"dropbox.com", "dropboxmail.com"}),
    "docusign": frozenset({"docusign.com", "docusign.net"}),
    "coinbase": frozenset({"coinbase.com"}),
    "binance": frozenset({"binance.com"}),
    "github": frozenset({"github.com"}),
    "whatsapp": frozenset({"whatsapp.com"}),
    "adobe": frozenset({"adobe.com"}),
    "ebay": frozenset({"ebay.com", "ebay.de", "ebay.co.uk", "ebay.fr"}),
    "fedex": frozenset({"fedex.com"}),
    "wellsfargo": frozenset({"wellsfargo.com"}),
    "bankofamerica": frozenset({"bankofamerica.com"}),
    "americanexpress": frozenset({"americanexpress.com"}),
    "yahoo": frozenset({"yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoogroups.com"}),
}
#: Letters of other scripts, and figures, that are drawn like a Latin one (Unicode UTS 39, those that domains use).
_DRAWN = str.maketrans(
    "аеорсухіјѕԁɡոοαινκρτвмнк0135",
    "aeopcyxijsdgnoaivkptbmhkoles",
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
#: A name this short is a slip of the finger away from too many others.
_SHORTEST_SLIP = 6
_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


def registered(domain: str) -> str:
    """The part of a domain somebody registered, "example.co.uk" of "mail.example.co.uk": a guess, without a list."""
    labels = domain.lower().strip(".").split(".")
    if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


@lru_cache(maxsize=10_000)
def lookalike_of(domain: str) -> str | None:
    """The known name that a domain imitates; None when it is that name's own, or imitates none."""
    whole = registered(domain[:255])
    if any(whole in homes for homes in KNOWN.values()):
        return None
    label = _readable(whole.partition(".")[0])
    skeleton = _skeleton(label)
    for name in KNOWN:
        if label == name:
            continue  # the same name under another ending is often its owner's
        if skeleton == name or name in label.split("-") or name in skeleton.split("-"):
            return name
        if len(name) >= _SHORTEST_SLIP and _one_slip(skeleton, name):
            return name
    return None


def _readable(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except (UnicodeError, ValueError):
        return label


def _skeleton(label: str) -> str:
    plain = "".join(each for each in normalize("NFKD", label) if not combining(each)).translate(_DRAWN)
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain


def _one_slip(text: str, name: str) -> bool:
    """Whether one letter was left out, put in, replaced, or changed places with the next."""
    if text == name or abs(len(text) - len(name)) > 1:
        return False
    at = next(
        (place for place, (a, b) in enumerate(zip(text, name, strict=False)) if a != b), min(len(text), len(name))
    )
    if len(text) == len(name):
        swapped = text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
        return text[at + 1 :] == name[at + 1 :] or swapped == name
    return text[at + 1 :] == name[at:] if len(text) > len(name) else text[at:] == name[at + 1 :]
