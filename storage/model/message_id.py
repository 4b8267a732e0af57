"""Gmail's message and thread ids: 16 hex digits outside, a signed 64-bit number in Postgres and Parquet."""

_HEX = frozenset("0123456789abcdefABCDEF")  # int() would take "0x1f", "1_f" and other scripts' digits too
_WRAP = 1 << 64
_LIMIT = 1 << 63


def from_hex(text: str) -> int:
    """Convert a Gmail id from hex to its number.

    Raises:
        ValueError: not 1 to 16 hex digits.
    """
    if not 1 <= len(text) <= 16 or not _HEX.issuperset(text):
        raise ValueError(f"not a Gmail id: {text[:40]!r}")
    value = int(text, 16)
    return value - _WRAP if value >= _LIMIT else value


def to_hex(value: int) -> str:
    """Gmail's own spelling: lower case, no leading zeros, at least one digit."""
    return f"{value % _WRAP:x}"
