"""A message as analysers see it: its parts, and what several of them need, computed once and shared.

Nothing of the mailbox is in it, no user, no labels: the same message gives the same answers everywhere.
"""

from collections.abc import Sequence

from jobs.analysis import bodies, detection, rarity
from jobs.mime.message import ParsedMessage


class Mail:
    """One message. Everything but `message` and `heads` is computed on its first use.

    `heads` are the leading decoded bytes of each attachment, parallel to `message.attachments`; empty when unknown.
    """

    __slots__ = ("_body", "_headers", "_keywords", "_language", "_words", "heads", "message")

    def __init__(self, message: ParsedMessage, heads: Sequence[bytes] | None = None) -> None:
        self.message = message
        self.heads: Sequence[bytes] = message.heads if heads is None else heads
        self._body: str | None = None
        self._words: list[str] | None = None
        self._headers: dict[str, list[str]] | None = None
        self._language: tuple[str, float] | None = None
        self._keywords: list[tuple[str, float]] | None = None

    def __reduce__(self) -> tuple[type["Mail"], tuple[ParsedMessage, Sequence[bytes]]]:
        return Mail, (self.message, self.heads)

    @property
    def body(self) -> str:
        """What the sender wrote: no quoted history, no signature, at most `bodies.BODY_CHARS` characters."""
        if self._body is None:
            self._body = bodies.body(self.message.text)
        return self._body

    @property
    def words(self) -> list[str]:
        """The words of subject and body in lower case, at most `bodies.MOST_WORDS`. Not to be changed."""
        if self._words is None:
            self._words = bodies.words(f"{self.message.subject[:1_000]}\n{self.body}")
        return self._words

    def headers(self, name: str) -> list[str]:
        """The values of all headers of this name, which is given in lower case; in order. Not to be changed."""
        if self._headers is None:
            found: dict[str, list[str]] = {}
            for written, value in self.message.headers:
                found.setdefault(written.lower(), []).append(value)
            self._headers = found
        return self._headers.get(name, [])

    def header(self, name: str) -> str:
        """The value of the first header of this name, which is given in lower case; "" without one."""
        found = self.headers(name)
        return found[0] if found else ""

    @property
    def language(self) -> str:
        """ISO 639-1 code of what the sender wrote in; "" when it cannot be told."""
        return self.told_language[0]

    @property
    def told_language(self) -> tuple[str, float]:
        """The same, and how sure that is, 0 to 1."""
        if self._language is None:
            self._language = detection.detect(self.words)
        return self._language

    @property
    def keywords(self) -> list[tuple[str, float]]:
        """The words that tell it from other messages, with their weights, heaviest first, at most eight."""
        if self._keywords is None:
            self._keywords = rarity.weighed(self.words, self.message.subject)
        return self._keywords
