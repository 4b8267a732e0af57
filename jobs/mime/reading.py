"""Parses a message for display, in the form that `storage.reader.MailboxReader` expects."""

from jobs.mime.parser import parse
from storage.model.results import Attachment, Body


def body(raw: bytes) -> Body:
    """The body of a message. Never raises."""
    message = parse(raw)
    return Body(
        text=message.text,
        headers=tuple((name, value) for name, value in message.headers),
        attachments=tuple(
            Attachment(
                part=part.part,
                filename=part.filename,
                content_type=part.content_type,
                size_bytes=part.size_bytes,
                sha256=part.sha256.hex(),
                inline=part.inline,
            )
            for part in message.attachments
        ),
    )
