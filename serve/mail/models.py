"""JSON models of a user's mail: the field names of the API."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field

from storage.model.results import Attachment, Email, EmailSummary, Page, RankedPage
from storage.query.highlighting import Highlight


class EmailItem(BaseModel):
    """A message in a list."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    id: str = Field(description="Gmail's id, hex")
    thread_id: str = Field(description="Gmail's thread id, hex")
    date: datetime = Field(description="when Gmail received it")
    sender: str = Field(alias="from")
    to: list[str]
    cc: list[str]
    subject: str
    snippet: str
    labels: list[str] = Field(description="Gmail's label ids")
    size_bytes: int = Field(description="size of the raw message")
    has_attachment: bool
    deleted_at: datetime | None = Field(description="when the backup observed the deletion in Gmail")
    defects: list[str] = Field(description="defects of the message's format")

    @classmethod
    def of(cls, email: EmailSummary) -> Self:
        """The model of a message."""
        return cls(**_summary(email))


class HighlightItem(BaseModel):
    """A fragment of a message around matches of a search."""

    field: str = Field(description="subject or text")
    text: str = Field(description="plain text: escape it before it is put into HTML")
    offset: int = Field(description="position of the fragment in the field, in characters")
    hits: list[tuple[int, int]] = Field(description="start and end of each match in the fragment, in characters")


class FoundEmail(EmailItem):
    """A message in a search result with highlights."""

    highlights: list[HighlightItem]


class EmailList(BaseModel):
    """One page of a list."""

    items: list[FoundEmail | EmailItem]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page")

    @classmethod
    def of(cls, page: Page | RankedPage, highlights: Mapping[str, Sequence[Highlight]] | None = None) -> Self:
        """The model of a page. highlights: fragments by message id."""
        return cls(
            items=[
                EmailItem.of(email) if highlights is None else _found_email(email, highlights.get(email.id, ()))
                for email in page.items
            ],
            next_cursor=page.next.encode() if page.next else None,
        )


class Header(BaseModel):
    """A decoded header."""

    name: str
    value: str


class AttachmentItem(BaseModel):
    """An attachment of a message."""

    part: str = Field(description="IMAP part number")
    filename: str
    content_type: str
    size_bytes: int = Field(description="size of the decoded bytes")
    sha256: str = Field(description="SHA-256 of the decoded bytes, hex")
    inline: bool

    @classmethod
    def of(cls, part: Attachment) -> Self:
        """The model of an attachment."""
        return cls(
            part=part.part,
            filename=part.filename,
            content_type=part.content_type,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            inline=part.inline,
        )


class AcquaintanceItem(BaseModel):
    """What the mailbox knew of a message's writer when the message arrived."""

    received_before: int = Field(description="earlier messages of the same address; 0: first contact")
    written_before: int = Field(description="earlier messages of the owner to that address")
    written_in_thread: int = Field(description="earlier messages of the owner in the thread")
    is_same_domain: bool = Field(description="another address in the domain of the mailbox's own")
    is_sent: bool = Field(description="the owner sent the message")


class EmailDocument(EmailItem):
    """One message in full."""

    text: str = Field(description="plain text, or text extracted from the HTML")
    headers: list[Header] = Field(description="all headers, decoded, in order")
    attachments: list[AttachmentItem]
    sha256: str = Field(description="SHA-256 of the raw bytes, hex")
    analysis: dict[str, dict[str, Any]] | None = Field(
        description="analyser -> version and fields, and an error if it failed; null: not analysed"
    )
    acquaintance: AcquaintanceItem | None = Field(
        description="what the mailbox knew of the writer when the message arrived; null: unknown"
    )
    classification_labels: list[dict[str, Any]] = Field(
        description="Gmail's classification labels (Google Workspace), as its API gave them when the mail was stored"
    )

    @classmethod
    def whole(cls, email: Email) -> Self:
        """The model of a message in full."""
        return cls(
            **_summary(email.summary),
            text=email.text,
            headers=[Header(name=name, value=value) for name, value in email.headers],
            attachments=[AttachmentItem.of(part) for part in email.attachments],
            sha256=email.sha256,
            analysis={name: dict(said) for name, said in email.analysis.items()} if email.analysis else None,
            acquaintance=AcquaintanceItem(**asdict(email.acquaintance)) if email.acquaintance else None,
            classification_labels=_classification(email.classification),
        )


def _classification(text: str) -> list[dict[str, Any]]:
    """Classification labels; what is no object is left out."""
    return [value for value in orjson.loads(text or "[]") if isinstance(value, dict)]


def _found_email(email: EmailSummary, highlights: Sequence[Highlight]) -> FoundEmail:
    pieces = [
        HighlightItem(
            field=item.field, text=item.fragment.text, offset=item.fragment.offset, hits=list(item.fragment.hits)
        )
        for item in highlights
    ]
    return FoundEmail(**_summary(email), highlights=pieces)


def _summary(email: EmailSummary) -> dict[str, object]:
    return {name: getattr(email, name) for name in EmailItem.model_fields}
