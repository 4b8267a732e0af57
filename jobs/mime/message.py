"""The result of parsing a message, and its limits.

Plain values without behaviour; values shared between messages are never modified. Every `str` in them is valid UTF-8
without NUL, so Arrow and Postgres take it as it is; every list and text is bounded by `MimeLimits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, Field

#: Leading bytes of an attachment that identify its type.
HEAD_BYTES = 512


class MimeLimits(BaseModel, frozen=True):
    """Limits of what the parser keeps of one message. The raw bytes always have all of it."""

    message_bytes: int = Field(160 << 20, ge=1024, description="bytes that are read; Gmail's limit is 150 MB")
    depth: int = Field(50, ge=1, le=200, description="levels of nested parts; deeper ones are read as text")
    parts: int = Field(2_000, ge=1, description="parts; later ones are ignored")
    tnef_streams: int = Field(50, ge=1, description="winmail.dat that are opened; later ones are files")
    headers: int = Field(1_000, ge=1, description="headers of the message; later ones are ignored")
    header_bytes: int = Field(256 * 1024, ge=1024, description="bytes of one header block that are read")
    value_chars: int = Field(64 * 1024, ge=256, description="characters kept of one header")
    name_bytes: int = Field(255, ge=16, description="bytes kept of a file name")
    addresses: int = Field(2_000, ge=1, description="addresses kept of To, of Cc, of Bcc and of Reply-To each")
    references: int = Field(500, ge=1, description="message ids kept of References")
    text_bytes: int = Field(1024 * 1024, ge=1024, description="UTF-8 bytes of text kept")
    html_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="bytes of one HTML part that are read")
    html_tags: int = Field(20_000, ge=100, description="tags above which HTML is stripped, not parsed")
    attachments: int = Field(500, ge=1, description="attachments listed")
    defects: int = Field(50, ge=1, description="defects listed")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the message's text.

    `part` counts as IMAP does ("2.1" is the first part of the second); `sha256` and `size_bytes` are of the
    decoded bytes; `filename` has no path separators and no control characters, and may be empty.
    """

    part: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: bytes
    inline: bool
    content_id: str


@dataclass(frozen=True, slots=True)
class AttachmentContent:
    """An attachment to download; `filename` is never empty."""

    filename: str
    content_type: str
    content: bytes


class ParsedMessage(NamedTuple):
    """Everything the archive stores of a message besides its bytes.

    Addresses are in display form, "Name <local@domain>" or bare; only `from_address` is an address alone, in
    lower case. Message ids keep their angle brackets. `date` is aware and UTC, None when the header is absent or
    unusable. `headers` are all of them, decoded, in order, names as written. `heads` are the first `HEAD_BYTES` decoded
    bytes of each attachment, parallel to `attachments`: read by analysis, not stored. `defects` are short stable codes:

    - the parser itself: parser-failed (a step failed; what the others found is kept), parser-timeout, parser-memory,
      parser-crashed (the message exceeded a limit: the header block's fields are kept, or nothing)
    - the message: empty-message, no-headers, header-malformed, header-8bit, bare-cr, nul
    - its fields: no-date, bad-date, date-out-of-range, bad-encoded-word
    - its structure: no-boundary, missing-boundary, unterminated-multipart, bad-content-type
    - its content: bad-base64, bad-uuencode, unknown-encoding:x, unknown-charset:x, wrong-charset, bad-html, bad-tnef,
      bad-rtf
    - more than `MimeLimits` keep, the rest is in the raw bytes alone: message-cut (message_bytes), too-deep (depth),
      too-many-parts (parts; tnef_streams; items of TNEF), headers-cut (header_bytes), too-many-headers (headers),
      header-cut (value_chars), too-many-addresses, too-many-references, too-many-attachments,
      filename-cut (name_bytes), text-cut (text_bytes, html_bytes), bad-html (html_tags), more-defects
    """

    message_id_header: str
    date: datetime | None
    from_name: str
    from_address: str
    from_: str
    to: Sequence[str]
    cc: Sequence[str]
    bcc: Sequence[str]
    reply_to: Sequence[str]
    subject: str
    in_reply_to: str
    references: list[str]
    list_id: str
    headers: list[tuple[str, str]]
    text: str
    has_html: bool
    attachments: list[Attachment]
    defects: list[str]
    heads: list[bytes]
