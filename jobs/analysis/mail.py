"""A message as analysers see it: its parts, and what several of them need, computed once and shared.

Nothing of the mailbox is in it, no user, no labels: the same message gives the same answers everywhere.
"""

from collections.abc import Sequence
from importlib import import_module

from jobs.analysis import bodies
from jobs.mime.message import ParsedMessage

#: Characters of the text from which the language is told.
_LANGUAGE_CHARS = 4_000


class Mail:
    """One message. Everything but `message` and `heads` is computed on its first use.

    `heads` are the leading decoded bytes of each attachment, parallel to `message.attachments`; empty when unknown.
    """

    __slots__ = ("_body", "_headers", "_language", "_words", "heads", "message")

    def __init__(self, message: ParsedMessage, heads: Sequence[bytes] | None = None) -> None:
        self.message = message
        self.heads: Sequence[bytes] = message.heads if heads is None else heads
        self._body: str | None = None
        self._words: list[str] | None = None
        self._headers: dict[str, list[str]] | None = None
        self._language: str | None = None

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
        if self._language is None:
            # Imported late: only who asks for the language pays for its model.
            language = import_module("jobs.analysis.language")
            text = f"{self.message.subject[:1_000]}\n{self.body[:_LANGUAGE_CHARS]}"
            self._language = str(language.detect(text)[0])
        return self._language
