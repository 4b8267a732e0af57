"""What an analyser sees of a message: what the parser read, and features that several of them need, made once."""

from collections.abc import Collection, Sequence

from jobs.analysis import bodies
from jobs.analysis.background import weighed
from jobs.mime.message import ParsedMessage

_MOST_WORDS = 2000
_MOST_CHARS = 16_000
#: Marks are spaces between words, but for those within words. Putting spaces and splitting there costs a quarter of
#: what a pattern for words does.
_MARKS = str.maketrans(dict.fromkeys('.,;:!?"()[]{}<>*_=#|~`^+/\\&%@…“”„«»‘•·。、，！？：；（）「」', " "))


class Mail:
    """A message to analyse. Not shared among threads."""

    __slots__ = ("_body", "_headers", "_keywords", "_language", "_words", "heads", "message")

    def __init__(self, message: ParsedMessage, heads: Sequence[bytes] | None = None) -> None:
        """`heads`: the leading bytes of each decoded attachment, in order; None: those that the parser kept."""
        self.message = message
        self.heads = message.heads if heads is None else heads
        self._body: str | None = None
        self._words: list[str] | None = None
        self._headers: dict[str, list[str]] | None = None
        self._language: tuple[str, float] | None = None
        self._keywords: list[tuple[str, float]] | None = None

    @property
    def body(self) -> str:
        """The text without quoted history and signature, at most 20,000 characters."""
        if self._body is None:
            self._body = bodies.body(self.message.text)
        return self._body

    @property
    def words(self) -> list[str]:
        """What stands between spaces and marks in subject and body, in lower case, at most 2,000."""
        if self._words is None:
            text = f"{self.message.subject}\n{self.body}"[:_MOST_CHARS].lower()
            self._words = text.translate(_MARKS).split()[:_MOST_WORDS]
        return self._words

    @property
    def language(self) -> str:
        """ISO 639-1; "" when it cannot be told."""
        return self.told_language[0]

    @property
    def told_language(self) -> tuple[str, float]:
        """The language, and how sure that is, 0 to 1."""
        if self._language is None:
            from jobs.analysis.language import detect

            self._language = detect(self.words)
        return self._language

    @property
    def keywords(self) -> list[tuple[str, float]]:
        """The words that tell it from other messages, with their weights, heaviest first, at most eight."""
        if self._keywords is None:
            self._keywords = weighed(self.words, self.message.subject)
        return self._keywords

    def header(self, name: str) -> str:
        """The first header of a name in lower case; "" when there is none."""
        found = self.headers(name)
        return found[0] if found else ""

    @property
    def header_names(self) -> Collection[str]:
        """The names of its headers, in lower case."""
        self.headers("")
        return self._headers or {}

    def headers(self, name: str) -> list[str]:
        """All headers of a name in lower case, in order."""
        if self._headers is None:
            self._headers = {}
            for each, value in self.message.headers:
                self._headers.setdefault(each.lower(), []).append(value)
        return self._headers.get(name, [])
