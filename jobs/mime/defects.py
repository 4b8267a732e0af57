"""The defects found in one message: short stable codes, each once, in the order found, bounded."""


class Defects:
    """Collects codes; the codes and their meaning are listed at `ParsedMessage`."""

    __slots__ = ("_codes", "_limit")

    def __init__(self, limit: int = 50) -> None:
        self._codes: dict[str, None] = {}
        self._limit = limit

    def add(self, code: str) -> None:
        if code not in self._codes:
            self._codes[code if len(self._codes) < self._limit - 1 else "more-defects"] = None

    def codes(self) -> list[str]:
        return list(self._codes)
