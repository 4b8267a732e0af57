"""What analytics answers: the documents, and how they are made of what storage counts."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from storage.contents import Contents, Side
from storage.identifier import to_hex
from storage.statistics import Bucket

_LABELS = 200


class Year(BaseModel):
    """A year (UTC) of mail."""

    year: int
    messages: int
    size_bytes: int


class LabelTotal(BaseModel):
    """A label, and what carries it."""

    id: str
    name: str
    type: str = Field(description="system or user")
    messages: int
    unread: int
    size_bytes: int


class LabelTotals(BaseModel):
    """Labels, most messages first. Mail that Gmail has no longer carries none."""

    items: list[LabelTotal]


class AttachmentTotal(BaseModel):
    """What is attached."""

    messages: int = Field(description="messages with files")
    files: int
    size_bytes: int = Field(description="of the decoded files")


class Overview(BaseModel):
    """A mailbox in numbers."""

    messages: int = Field(description="backed up, deleted ones too")
    size_bytes: int
    deleted: int = Field(description="deleted in Gmail")
    unread: int
    sent: int
    first_at: datetime | None
    last_at: datetime | None
    years: list[Year]
    labels: list[LabelTotal] = Field(description="most messages first")
    attachments: AttachmentTotal


class Person(BaseModel):
    """Somebody who writes to you, or to whom mail goes."""

    address: str
    name: str = Field(description="as the newest message has it")
    messages: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


class People(BaseModel):
    """Addresses, most messages first."""

    items: list[Person]


class Domain(BaseModel):
    """A domain that mail comes from, or goes to."""

    domain: str
    addresses: int = Field(description="different ones")
    messages: int
    size_bytes: int


class Domains(BaseModel):
    """Domains, most messages first."""

    items: list[Domain]


class Point(BaseModel):
    """What was received in a part of time."""

    starts: datetime = Field(description="with the zone's offset; of an hour that its clock shows twice, both together")
    messages: int
    size_bytes: int
    unread: int
    sent: int


class Timeline(BaseModel):
    """Mail over time, oldest first; parts without mail are left out."""

    bucket: Bucket
    tz: str
    items: list[Point]


class Hour(BaseModel):
    """An hour of the week."""

    weekday: int = Field(description="1 is Monday")
    hour: int = Field(description="0 to 23")
    messages: int
    sent: int


class Activity(BaseModel):
    """When in the week mail comes; hours without mail are left out."""

    tz: str
    items: list[Hour]

    def grid(self) -> list[list[int]]:
        """Messages by weekday, Monday first, and hour."""
        hours = [[0] * 24 for _ in range(7)]
        for each in self.items:
            hours[each.weekday - 1][each.hour] = each.messages
        return hours


class Large(BaseModel):
    """A large message."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    date: datetime
    from_: str = Field(alias="from")
    subject: str
    size_bytes: int


class LargeFile(BaseModel):
    """A large file in a message."""

    id: str = Field(description="of the message")
    date: datetime
    subject: str
    part: str
    filename: str
    content_type: str
    size_bytes: int = Field(description="decoded")


class Copies(BaseModel):
    """What is there again, byte for byte: of three equal ones, two."""

    messages: int
    size_bytes: int
    files: int = Field(description="attached files, in other messages or the same")
    files_size_bytes: int = Field(description="decoded")


class Space(BaseModel):
    """What takes the space."""

    messages: int
    size_bytes: int
    years: list[Year]
    labels: list[LabelTotal] = Field(description="most bytes first; a message counts with each of its labels")
    domains: list[Domain] = Field(description="of senders, most bytes first")
    largest: list[Large]
    attachments: AttachmentTotal
    largest_attachments: list[LargeFile]
    copies: Copies


class Conversation(BaseModel):
    """A long thread."""

    id: str
    subject: str = Field(description="of its first message")
    messages: int
    sent: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


class Responses(BaseModel):
    """How long answers took: from the last message of the other side before it in the thread. Drafts are none."""

    responses: int
    median_s: float | None
    p90_s: float | None


class Correspondence(BaseModel):
    """Threads, longest first, and response times: mine is what carries SENT."""

    items: list[Conversation]
    mine: Responses
    theirs: Responses


class Newsletter(BaseModel):
    """A mailing list."""

    model_config = ConfigDict(populate_by_name=True)

    list_id: str
    from_: str = Field(alias="from", description="who sent the newest one")
    messages: int
    read: int = Field(description="that do not carry UNREAD")
    size_bytes: int
    first_at: datetime
    last_at: datetime


class Newsletters(BaseModel):
    """Mailing lists (RFC 2919), most messages first."""

    items: list[Newsletter]


def overview(counted: Contents) -> Overview:
    """A selection in numbers."""
    years = counted.statistics.years()
    labels = sorted(_labels(counted), key=lambda label: (-label.messages, label.id))[:_LABELS]
    return Overview(
        messages=sum(year["messages"] for year in years),
        size_bytes=sum(year["size_bytes"] for year in years),
        deleted=sum(year["deleted"] for year in years),
        unread=sum(year["unread"] for year in years),
        sent=sum(year["sent"] for year in years),
        first_at=years[0]["first_at"] if years else None,
        last_at=years[-1]["last_at"] if years else None,
        years=_years(years),
        labels=labels,
        attachments=AttachmentTotal(**counted.attachments()),
    )


def people(rows: list[dict[str, Any]]) -> People:
    """Senders or recipients."""
    return People(items=[Person(**row) for row in rows])


def domains(counted: Contents, side: Side, limit: int) -> Domains:
    """Domains of either."""
    return Domains(items=[Domain(**row) for row in counted.domains(side, limit)])


def timeline(counted: Contents, bucket: Bucket, tz: str) -> Timeline:
    """A selection over time."""
    found, zone = counted.statistics.timeline(bucket, tz), ZoneInfo(tz)
    points = [Point(**{**row, "starts": row["starts"].replace(tzinfo=zone)}) for row in found]
    return Timeline(bucket=bucket, tz=tz, items=points)


def activity(counted: Contents, tz: str) -> Activity:
    """A selection over the hours of a week."""
    return Activity(tz=tz, items=[Hour(**row) for row in counted.statistics.activity(tz)])


def labels(counted: Contents) -> LabelTotals:
    """All labels."""
    return LabelTotals(items=sorted(_labels(counted), key=lambda label: (-label.messages, label.id)))


def space(counted: Contents, limit: int, contents: Any) -> Space:
    """What takes the space. contents: `MailboxReader.contents`."""
    years, large = counted.statistics.years(), counted.statistics.largest(limit)
    copies, files = counted.statistics.copies(), counted.attachment_copies()
    by_size = sorted(_labels(counted), key=lambda label: (-label.size_bytes, label.id))
    return Space(
        messages=sum(year["messages"] for year in years),
        size_bytes=sum(year["size_bytes"] for year in years),
        years=_years(years),
        labels=[label for label in by_size if label.messages][:limit],
        domains=[Domain(**row) for row in counted.heaviest_domains(limit)],
        largest=[
            Large(
                id=to_hex(row["message_id"]),
                date=row["received_at"],
                from_=content["from"],
                subject=content["subject"],
                size_bytes=row["size_bytes"],
            )
            for row, content in zip(large, contents(large), strict=True)
        ],
        attachments=AttachmentTotal(**counted.attachments()),
        largest_attachments=[
            LargeFile(id=to_hex(row.pop("message_id")), date=row.pop("received_at"), **row)
            for row in counted.largest_attachments(limit)
        ],
        copies=Copies(**copies, files=files["files"], files_size_bytes=files["size_bytes"]),
    )


def correspondence(counted: Contents, limit: int, contents: Any) -> Correspondence:
    """Threads and response times. contents: as in `space`."""
    threads = counted.statistics.threads(limit)
    times = {row.pop("mine"): Responses(**row) for row in counted.statistics.responses()}
    none = Responses(responses=0, median_s=None, p90_s=None)
    shown = ("messages", "sent", "size_bytes", "first_at", "last_at")
    return Correspondence(
        items=[
            Conversation(id=to_hex(row["thread_id"]), subject=content["subject"], **{name: row[name] for name in shown})
            for row, content in zip(threads, contents(threads), strict=True)
        ],
        mine=times.get(True, none),
        theirs=times.get(False, none),
    )


def newsletters(counted: Contents, limit: int) -> Newsletters:
    """Mailing lists, with how many of their messages were read."""
    return Newsletters(items=[Newsletter.model_validate(row) for row in counted.newsletters(limit)])


def _years(rows: list[dict[str, Any]]) -> list[Year]:
    return [Year(year=row["year"], messages=row["messages"], size_bytes=row["size_bytes"]) for row in rows]


def _labels(counted: Contents) -> list[LabelTotal]:
    return [LabelTotal(id=row.pop("label_id"), **row) for row in counted.statistics.labels()]
