"""A user's mail as JSON: the field names that the contract promises."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from storage.model.results import Attachment, Email, EmailSummary, Page, RankedPage
from storage.query.highlighting import Highlight


class EmailItem(BaseModel):
    """A message as a list shows it."""

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
    size_bytes: int = Field(description="of the raw message")
    has_attachment: bool
    deleted_at: datetime | None = Field(description="when its deletion in Gmail was seen")
    defects: list[str] = Field(description="what is wrong with the message's form")

    @classmethod
    def of(cls, email: EmailSummary) -> Self:
        """The document of a message."""
        return cls(**_summary(email))


class HighlightItem(BaseModel):
    """A piece of a message around what was found."""

    field: str = Field(description="subject or text")
    text: str = Field(description="plain text: escape it before it is put into HTML")
    offset: int = Field(description="of the piece in the field, in characters")
    hits: list[tuple[int, int]] = Field(description="start and end of each hit in the piece, in characters")


class FoundEmail(EmailItem):
    """A message as a search shows it when asked where its words stand."""

    highlights: list[HighlightItem]


class EmailList(BaseModel):
    """A part of a list."""

    items: list[FoundEmail | EmailItem]
    next_cursor: str | None = Field(description="`cursor` of the next part; null at the end")

    @classmethod
    def of(cls, page: Page | RankedPage, highlights: Mapping[str, Sequence[Highlight]] | None = None) -> Self:
        """The document of a page; with pieces of its messages, by id."""
        return cls(
            items=[
                EmailItem.of(email) if highlights is None else _found(email, highlights.get(email.id, ()))
                for email in page.items
            ],
            next_cursor=page.next.encode() if page.next else None,
        )


class Header(BaseModel):
    """A header, decoded."""

    name: str
    value: str


class AttachmentItem(BaseModel):
    """A part of a message that is a file."""

    part: str = Field(description="IMAP's part number")
    filename: str
    content_type: str
    size_bytes: int = Field(description="of the decoded bytes")
    sha256: str = Field(description="of the decoded bytes, hex")
    inline: bool

    @classmethod
    def of(cls, part: Attachment) -> Self:
        """The document of an attachment."""
        return cls(
            part=part.part,
            filename=part.filename,
            content_type=part.content_type,
            size_bytes=part.size_bytes,
            sha256=part.sha256,
            inline=part.inline,
        )


class EmailDocument(EmailItem):
    """A message by itself."""

    text: str = Field(description="its plain text, or that of its HTML")
    headers: list[Header] = Field(description="all, decoded, in order")
    attachments: list[AttachmentItem]
    sha256: str = Field(description="of the raw bytes, hex")
    analysis: dict[str, dict[str, Any]] | None = Field(
        description="by analyser: its version, its fields, and an error if it failed; null: not analysed"
    )

    @classmethod
    def whole(cls, email: Email) -> Self:
        """The document of a whole message."""
        return cls(
            **_summary(email.summary),
            text=email.text,
            headers=[Header(name=name, value=value) for name, value in email.headers],
            attachments=[AttachmentItem.of(part) for part in email.attachments],
            sha256=email.sha256,
            analysis={name: dict(said) for name, said in email.analysis.items()} if email.analysis else None,
        )


def _found(email: EmailSummary, highlights: Sequence[Highlight]) -> FoundEmail:
    pieces = [
        HighlightItem(
            field=each.field, text=each.fragment.text, offset=each.fragment.offset, hits=list(each.fragment.hits)
        )
        for each in highlights
    ]
    return FoundEmail(**_summary(email), highlights=pieces)


def _summary(email: EmailSummary) -> dict[str, object]:
    return {name: getattr(email, name) for name in EmailItem.model_fields}
