"""Converts rows of queries to the values of storage/model/results.py."""

from typing import Any

from storage.model.location import Location
from storage.model.message_id import to_hex
from storage.model.results import Attachment, Change, EmailSummary, Stored


def location_of(row: dict[str, Any]) -> Location:
    """The location of the raw bytes."""
    return Location(row["frame_offset"], row["frame_bytes"], row["raw_offset"], row["size_bytes"], bytes(row["sha256"]))


def stored_of(row: dict[str, Any]) -> Stored:
    """A message's row in the index."""
    return Stored(
        row["message_id"],
        row["thread_id"],
        row["received_at"],
        tuple(sorted(row["labels"])),
        row["size_bytes"],
        row["deleted_at"],
        row["segment"],
        location_of(row),
    )


def summary_of(row: dict[str, Any], content: dict[str, Any]) -> EmailSummary:
    """A message in a list, from the index and its Parquet file."""
    return EmailSummary(
        id=to_hex(row["message_id"]),
        thread_id=to_hex(row["thread_id"]),
        date=row["received_at"],
        sender=content["from"],
        to=tuple(content["to"]),
        cc=tuple(content["cc"]),
        subject=content["subject"],
        snippet=content["snippet"],
        labels=tuple(sorted(row["labels"])),
        size_bytes=row["size_bytes"],
        has_attachment=content["has_attachment"],
        deleted_at=row["deleted_at"],
        defects=tuple(content["defects"]),
    )


def change_of(row: dict[str, Any], content: dict[str, Any]) -> Change:
    """A message's change."""
    return Change(
        id=to_hex(row["message_id"]),
        thread_id=to_hex(row["thread_id"]),
        date=row["received_at"],
        sender=content["from"],
        subject=content["subject"],
        size_bytes=row["size_bytes"],
        added=row["added"],
        deleted=row["deleted"],
        put_on=tuple(row["put_on"]),
        taken_off=tuple(row["taken_off"]),
    )


def attachment_of(part: dict[str, Any]) -> Attachment:
    """An attached file."""
    return Attachment(
        part=part["part"],
        filename=part["filename"],
        content_type=part["content_type"],
        size_bytes=part["size_bytes"],
        sha256=bytes(part["sha256"]).hex(),
        inline=part["inline"],
    )
