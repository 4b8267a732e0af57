"""A message as analysers see it: its parts, and values that several analysers need, computed once.

It contains nothing of the mailbox, no user and no labels: the same message has the same results everywhere.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from jobs.analysis import bodies, detection, prose, rarity
from jobs.mime.message import ParsedMessage

T = TypeVar("T")


class Mail:
    """One message. All values except `message` and `heads` are computed on first use.

    `heads` are the leading decoded bytes of each attachment, parallel to `message.attachments`; empty when unknown.
    """

    __slots__ = (
        "_body",
        "_distinct_words",
        "_headers",
        "_keywords",
        "_language",
        "_results",
        "_sentences",
        "_words",
        "heads",
        "message",
    )

    def __init__(self, message: ParsedMessage, heads: Sequence[bytes] | None = None) -> None:
        self.message = message
        self.heads: Sequence[bytes] = message.heads if heads is None else heads
        self._body: str | None = None
        self._words: list[str] | None = None
        self._headers: dict[str, list[str]] | None = None
        self._language: tuple[str, float] | None = None
        self._keywords: list[tuple[str, float]] | None = None
        self._distinct_words: frozenset[str] | None = None
        self._sentences: list[str] | None = None
        self._results: dict[Callable[[Mail], Any], Any] = {}

    def __reduce__(self) -> tuple[type["Mail"], tuple[ParsedMessage, Sequence[bytes]]]:
        return Mail, (self.message, self.heads)

    @property
    def body(self) -> str:
        """The sender's own text: no quoted text, no signature, at most `bodies.BODY_CHARS` characters."""
        if self._body is None:
            self._body = bodies.body(self.message.text)
        return self._body

    @property
    def words(self) -> list[str]:
        """The words of subject and body in lower case, at most `bodies.MOST_WORDS`. Do not modify."""
        if self._words is None:
            self._words = bodies.words(f"{self.message.subject[:1_000]}\n{self.body}")
        return self._words

    @property
    def distinct_words(self) -> frozenset[str]:
        """The distinct words of `words`."""
        if self._distinct_words is None:
            self._distinct_words = frozenset(self.words)
        return self._distinct_words

    @property
    def sentences(self) -> list[str]:
        """The sentences of the body without greeting, closing and footer (prose.py). Do not modify."""
        if self._sentences is None:
            body = self.body
            self._sentences = prose.sentences(body, self.distinct_words, self.message.has_html and "\n\n" not in body)
        return self._sentences

    def once(self, compute: Callable[["Mail"], T]) -> T:
        """`compute(self)`, computed on first use: a value that several analysers need. Do not modify it."""
        if compute not in self._results:
            self._results[compute] = compute(self)
        return cast(T, self._results[compute])

    def headers(self, name: str) -> list[str]:
        """The values of all headers of this name (in lower case), in order. Do not modify."""
        if self._headers is None:
            values: dict[str, list[str]] = {}
            for written, value in self.message.headers:
                values.setdefault(written.lower(), []).append(value)
            self._headers = values
        return self._headers.get(name, [])

    def header(self, name: str) -> str:
        """The value of the first header of this name (in lower case); "" if there is none."""
        values = self.headers(name)
        return values[0] if values else ""

    @property
    def language(self) -> str:
        """ISO 639-1 code of the sender's own text; "" when no language is detected."""
        return self.detected_language[0]

    @property
    def detected_language(self) -> tuple[str, float]:
        """The detected language with its confidence, 0 to 1."""
        if self._language is None:
            self._language = detection.detect(self.words)
        return self._language

    @property
    def keywords(self) -> list[tuple[str, float]]:
        """The keywords with their weights, heaviest first, at most eight."""
        if self._keywords is None:
            self._keywords = rarity.weighed(self.words, self.message.subject)
        return self._keywords
