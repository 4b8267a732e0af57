"""Text without control characters: for people on a terminal, and JSON for programs.

People read text without control characters (jobs/mime/printable.py). Programs read every character: JSON carries a
control character as an escape (\\u202e), because its reader may be a terminal.
"""

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from jobs.mime.printable import harmless

#: Characters that control a terminal or the reading direction, and that JSON does not escape.
_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def json_escaped(document: str) -> str:
    """The same JSON document with such characters escaped."""
    if document.isascii() and "\x7f" not in document:
        return document
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


class SafeConsole(Console):
    """A console that prints control characters of no text, in tables, panels and lines alike."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments to print; Rich's own control segments are kept."""
        for segment in super().render(renderable, options):
            if segment.control or (cleaned := harmless(segment.text)) == segment.text:
                yield segment
            else:
                yield Segment(cleaned, segment.style)
