"""Text of strangers as people may read it: without what steers a terminal or turns the reading direction.

Mail names subjects, people and files; a terminal would obey an escape sequence in them, and a person would read
"fdp.exe" as "exe.pdf" behind an override of the reading direction. The archive and the HTTP API keep the raw text, as
Gmail's does: it is evidence. What people read (terminal, pages) goes through `harmless`; names of files to save are
cleaned when they are parsed (`headers.filename`).
"""

import html
import re

#: C0 but for tab and line feed, DEL, C1; marks, embeddings, overrides and isolates of the reading direction.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text without characters that steer a terminal or turn the reading direction."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub("", text)


def escape(text: str) -> str:
    """Harmless text as HTML."""
    return html.escape(harmless(text))
