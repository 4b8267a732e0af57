"""Reads the texts of messages for a search: which satisfy a condition, and the fragments around the words.

`HERE` does so in this process. Strangers wrote the texts: a caller that must not hang passes another implementation,
such as jobs/isolation/searching.py.
"""

from collections.abc import Sequence
from typing import Protocol

from storage.errors import BackupError
from storage.query.conditions import Condition, Contains
from storage.query.evaluate import Content, content_holds, evaluate
from storage.query.highlighting import Highlight, fragments

#: Subject and text of a message.
Written = tuple[str, str]


class SearchStopped(BackupError):
    """The words of several messages exceed a limit of time or memory. Narrow the search."""

    def __init__(self, code: str, count: int) -> None:
        super().__init__(code, count)
        self.code, self.count = code, count

    def __str__(self) -> str:
        return (
            f"The search was stopped, because reading the words of {self.count} messages exceeded a limit "
            f"({self.code}): add a sender, a label or a date to the search."
        )


class Texts(Protocol):
    """Reads texts. The result has one entry for each message, in their order."""

    def truths(self, conditions: Sequence[Condition], contents: Sequence[Content]) -> list[list[bool]]:
        """Whether each condition of content is true for each message.

        Raises:
            SearchStopped, BackupError: from implementations with limits.
        """

    def fragments(self, written: Sequence[Written], wanted: Sequence[Contains]) -> list[list[Highlight]]:
        """The fragments around the words. Raises as `truths`."""


class _Here:
    """Reads texts in this process."""

    def truths(self, conditions: Sequence[Condition], contents: Sequence[Content]) -> list[list[bool]]:
        """Whether each condition of content is true for each message."""
        return [[_holds(condition, content) for condition in conditions] for content in contents]

    def fragments(self, written: Sequence[Written], wanted: Sequence[Contains]) -> list[list[Highlight]]:
        """The fragments around the words."""
        return [[*fragments("subject", subject, wanted), *fragments("text", text, wanted)] for subject, text in written]


#: Reads texts in this process, without limits.
HERE = _Here()


def _holds(condition: Condition, content: Content) -> bool:
    return evaluate(condition, lambda leaf: content_holds(leaf, content)) is True  # type: ignore[arg-type]
