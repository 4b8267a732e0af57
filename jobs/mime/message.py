"""What parsing a message yields, and how much of it is kept.

Plain values without behaviour. Every `str` in them is valid UTF-8 without NUL, so Arrow and Postgres take it
as it is; every list and text is bounded by `MimeLimits`.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, Field


class MimeLimits(BaseModel, frozen=True):
    """How much of one message the parser keeps. What it leaves out is always in the raw bytes."""

    depth: int = Field(50, ge=1, le=200, description="levels of nested parts; deeper ones are read as text")
    parts: int = Field(2_000, ge=1, description="parts; later ones are ignored")
    headers: int = Field(1_000, ge=1, description="headers of the message; later ones are ignored")
    header_bytes: int = Field(256 * 1024, ge=1024, description="bytes of one header block that are read")
    value_chars: int = Field(64 * 1024, ge=256, description="characters kept of one header")
    addresses: int = Field(2_000, ge=1, description="addresses kept of To, of Cc, of Bcc and of Reply-To each")
    references: int = Field(500, ge=1, description="message ids kept of References")
    text_bytes: int = Field(1024 * 1024, ge=1024, description="UTF-8 bytes of text kept")
    html_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="bytes of one HTML part that are read")
    html_tags: int = Field(20_000, ge=100, description="tags above which HTML is stripped, not parsed")
    attachments: int = Field(500, ge=1, description="attachments listed")
    defects: int = Field(50, ge=1, description="defects listed")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the message's own text.

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


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """Everything the archive stores of a message besides its bytes.

    Addresses are in display form, "Name <local@domain>" or bare; only `from_address` is an address alone, in
    lower case. Message ids keep their angle brackets. `date` is aware and UTC, None when the header is absent or
    unusable. `headers` are all of them, decoded, in order, names as written. `defects` are short stable codes:

    - the message: empty-message, no-headers, header-malformed, header-8bit, headers-cut, bare-cr, nul
    - its fields: no-date, bad-date, date-out-of-range, bad-encoded-word
    - its structure: no-boundary, missing-boundary, unterminated-multipart, too-deep, too-many-parts,
      too-many-attachments, bad-content-type
    - its content: bad-base64, bad-uuencode, unknown-encoding:x, unknown-charset:x, wrong-charset, text-cut,
      bad-html, bad-tnef, bad-rtf
    """

    message_id_header: str
    date: datetime | None
    from_name: str
    from_address: str
    from_: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: list[str]
    subject: str
    in_reply_to: str
    references: list[str]
    list_id: str
    headers: list[tuple[str, str]]
    text: str
    has_html: bool
    attachments: list[Attachment]
    defects: list[str]
