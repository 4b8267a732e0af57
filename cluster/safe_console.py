"""Text without control characters: for people on a terminal, and JSON for programs.

People read text without control characters (jobs/mime/printable.py). Programs read every character: JSON carries a
control character as an escape (\\u202e), because its reader may be a terminal.
"""

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from jobs.mime.printable import harmless

#: What steers a terminal or turns the reading direction, and JSON does not escape by itself.
_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def json_escaped(document: str) -> str:
    """A JSON document that says the same without such characters: they become escapes."""
    if document.isascii() and "\x7f" not in document:
        return document
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


class SafeConsole(Console):
    """A console that prints nothing but harmless text, in whatever table, panel or line it stands."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces to print; those by which Rich itself steers the terminal stay."""
        for segment in super().render(renderable, options):
            if segment.control or (cleaned := harmless(segment.text)) == segment.text:
                yield segment
            else:
                yield Segment(cleaned, segment.style)
