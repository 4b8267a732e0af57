"""Untrusted text for display: without control sequences and changes of the reading direction.

Subjects and names in mail may contain escape sequences, which a terminal would execute, or an override of the reading
direction, which shows "fdp.exe" as "exe.pdf". The archive and the HTTP API keep the raw text, as Gmail's API does,
because it is evidence. Text for people (terminal, pages) passes `harmless`; file names are cleaned when they are parsed
(`headers.filename`).
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
