"""A mailbox on one page: when mail comes, who writes, what takes the space, what is read."""

from datetime import datetime
from typing import Any

from serve import numbers, page, pictures
from serve.page import Page, Section
from serve.units import duration, size
from storage.contents import Contents
from storage.statistics import Bucket

_ROWS = 10
#: Points of the first chart at most, before it takes larger ones.
_POINTS = 200
#: A year with fewer than one of so many messages does not make a chart longer: dates of mail may be wrong.
_FEW = 500


def report(mailbox: str, counted: Contents, contents: Any, tz: str, made_at: datetime) -> Page:
    """The page.

    Args:
        mailbox: whose it is, as the heading says it.
        contents: `MailboxReader.contents`.
        tz: whose clock times are told by.

    Raises:
        UnknownTimeZone, FileDamaged, DatabaseUnreachable.
    """
    told = numbers.overview(counted)
    mails = numbers.space(counted, _ROWS, contents)
    threads = numbers.correspondence(counted, _ROWS, contents)
    read = f"{1 - told.unread / told.messages:.0%}" if told.messages else "-"
    tiles = [
        (f"{told.messages:,}", "messages"),
        (size(told.size_bytes), "of mail"),
        (f"{told.sent:,}", "sent"),
        (read, "read"),
        (f"{told.attachments.files:,}", f"attached files, {size(told.attachments.size_bytes)}"),
        (f"{told.deleted:,}", "kept although deleted in Gmail"),
    ]
    sections = [
        _over_time(counted, told, tz),
        _week(counted, tz),
        Section("Who writes to you", "Messages by sender.", _people(counted.senders(_ROWS), "Messages by sender")),
        Section(
            "To whom mail goes",
            "Messages by address in To, Cc and Bcc; your own is usually first.",
            _people(counted.recipients(_ROWS), "Messages by recipient"),
        ),
        _newsletters(counted),
        _responses(threads),
        Section(
            "What takes the space",
            f"Bytes by sender's domain. {mails.copies.messages:,} messages and {mails.copies.files:,} attached files "
            "are there more than once.",
            pictures.bars(
                "Bytes by sender's domain",
                [(each.domain, each.size_bytes, size(each.size_bytes)) for each in mails.domains],
            ),
        ),
        Section(
            "Labels",
            "Messages that carry each now.",
            pictures.bars(
                "Messages by label",
                [(each.name, each.messages, f"{each.messages:,}") for each in told.labels[:_ROWS] if each.messages],
            ),
        ),
        Section(
            "The largest messages",
            "With all that is attached to them.",
            page.table(
                ("Subject", "From", "Date", "Size"),
                [(each.subject, each.from_, f"{each.date:%Y-%m-%d}", size(each.size_bytes)) for each in mails.largest],
                2,
            ),
            wide=True,
        ),
        Section(
            "The longest conversations",
            "Threads with the most messages.",
            page.table(
                ("Subject", "Messages", "Sent", "Last"),
                [
                    (each.subject, f"{each.messages:,}", f"{each.sent:,}", f"{each.last_at:%Y-%m-%d}")
                    for each in threads.items
                ],
                3,
            ),
            wide=True,
        ),
    ]
    span = f"{told.first_at:%Y-%m-%d} to {told.last_at:%Y-%m-%d}" if told.first_at and told.last_at else "No mail"
    return Page(
        mailbox,
        f"{span}; times as clocks show them in {tz}",
        tiles,
        sections,
        f"Made {made_at:%Y-%m-%d %H:%M} UTC by Gmail Backup Manager. This page loads nothing and sends nothing.",
    )


def bucket_of(told: numbers.Overview) -> Bucket:
    """The parts of time in which a chart shows a mailbox: by the years that hold nearly all of it."""
    days, few = 0.0, told.messages / _FEW
    if told.first_at and told.last_at:
        years = [each.year for each in told.years if each.messages > few]
        days = min((told.last_at - told.first_at).days, (years[-1] - years[0] + 1) * 366 if years else 366)
    if days <= _POINTS:
        return "day"
    return "week" if days <= 7 * _POINTS else "month" if days <= 30 * _POINTS else "year"


def _over_time(counted: Contents, told: numbers.Overview, tz: str) -> Section:
    bucket = bucket_of(told)
    shape = {"day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[bucket]
    points = [(f"{each.starts:{shape}}", each.messages) for each in numbers.timeline(counted, bucket, tz).items]
    note = f"Messages a {bucket}; parts without mail are left out."
    return Section("Your mail over time", note, pictures.columns(note, points), wide=True)


def _week(counted: Contents, tz: str) -> Section:
    note = "When in the week mail comes: the darker, the more."
    return Section("Your week", note, pictures.week(note, numbers.activity(counted, tz).grid()))


def _people(rows: list[dict[str, Any]], name: str) -> str:
    return pictures.bars(
        name, [(row["name"] or row["address"], row["messages"], f"{row['messages']:,}") for row in rows]
    )


def _newsletters(counted: Contents) -> Section:
    lists = numbers.newsletters(counted, _ROWS).items
    rows = [(each.list_id, f"{each.messages:,}", f"{each.read / each.messages:.0%}") for each in lists]
    return Section("Mailing lists", "And how much of each was read.", page.table(("List", "Messages", "Read"), rows, 2))


def _responses(threads: numbers.Correspondence) -> Section:
    rows = [
        (whose, f"{each.responses:,}", duration(each.median_s or 0.0), duration(each.p90_s or 0.0))
        for whose, each in (("You", threads.mine), ("Others", threads.theirs))
        if each.responses
    ]
    note = "How long answers take: half of them at most the first time, nine of ten at most the second."
    return Section("Answers", note, page.table(("Who", "Answers", "Half within", "Most within"), rows, 3))
