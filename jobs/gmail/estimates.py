"""How Gmail's estimates of message sizes compare with the bytes that it sends. Pure; one per client.

Gmail's estimate is most often the exact size. Where it always is, bytes that differ from it are doubtful: they may be
cut, or another message's. Where it is not, nothing follows from a small difference, and only a large one is doubtful.
"""

#: Messages that must have been seen, and the share of them whose estimate was exact, before a small difference counts.
#: So at most so many messages in a hundred are fetched twice for nothing.
_LEAST_SEEN, _LEAST_SHARE = 50, 0.98
#: Messages after which older ones count half.
_FORGET_AFTER = 10_000
#: Bytes of a message per byte of the estimate, at least and at most: beyond it the message is always doubtful.
_PLAUSIBLE = (0.8, 1.25)


class Estimates:
    """Statistics of one endpoint's estimates. Threads may share it: a lost count is harmless."""

    def __init__(self) -> None:
        self._seen = self._exact = 0

    def saw(self, size_bytes: int, estimate_bytes: int) -> None:
        """A message arrived for the first time."""
        if self._seen >= _FORGET_AFTER:
            self._seen, self._exact = self._seen // 2, self._exact // 2
        self._seen += 1
        self._exact += size_bytes == estimate_bytes

    def plausible(self, size_bytes: int, estimate_bytes: int) -> bool:
        """Whether a message may have this size. An estimate of 0 is ignored."""
        if size_bytes == estimate_bytes:
            return True
        if not size_bytes:
            return False
        if not estimate_bytes:
            return True
        return not self._usually_exact and is_near(size_bytes, estimate_bytes)

    @property
    def _usually_exact(self) -> bool:
        return self._seen >= _LEAST_SEEN and self._exact >= _LEAST_SHARE * self._seen


def is_near(size_bytes: int, estimate_bytes: int) -> bool:
    """Whether a size is about the estimate."""
    return _PLAUSIBLE[0] * estimate_bytes <= size_bytes <= _PLAUSIBLE[1] * estimate_bytes
