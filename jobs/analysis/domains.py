"""The registered part of a domain."""

from functools import lru_cache

_SHORT = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


@lru_cache(maxsize=4096)
def registered(domain: str) -> str:
    """The registered part of a domain, approximately: two labels, three below short second levels such as co.uk."""
    labels = domain.rstrip(".").split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHORT
    return ".".join(labels[-3:] if short else labels[-2:])
