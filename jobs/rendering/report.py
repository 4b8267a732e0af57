"""A mailbox on one page: when mail comes, who writes, what takes the space, what is read."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from jobs.rendering import charts, html
from jobs.rendering.html import Page, Section
from jobs.rendering.units import duration, size
from storage.analytics.analysis_stats import AnalysisStats
from storage.analytics.correspondence import Correspondence
from storage.analytics.stats import Bucket, MailboxStats, Overview, Row
from storage.analytics.storage_usage import Space

#: Of a timeline, more than any span of years has in the parts that `bucket_of` chooses.
MOST_POINTS = 5000
_ROWS = 10
_SIGNS = (
    ("dmarc_failed", "DMARC failed"),
    ("spf_failed", "SPF failed"),
    ("dkim_failed", "DKIM failed"),
    ("lookalikes", "the sender's domain imitates a well-known one"),
    ("name_differs", "the sender's name shows another domain"),
    ("reply_to_differs", "answers go to another domain"),
    ("executables", "a file that would run"),
    ("disguised_files", "a file that is not what its name says"),
)
#: Points of the first chart at most, before it takes larger ones.
_POINTS = 200
#: A year with fewer than one of so many messages does not make a chart longer: dates of mail may be wrong.
_FEW = 500


def report(mailbox: str, counting: MailboxStats, zone: ZoneInfo, made_at: datetime) -> Page:
    """The page.

    Args:
        mailbox: whose it is, as the heading says it.
        zone: whose clock times are told by.

    Raises:
        UnknownZone, FileDamaged, DatabaseUnreachable.
    """
    told, space = counting.overview(), Space(counting)
    span = f"{told.first_at:%Y-%m-%d} to {told.last_at:%Y-%m-%d}" if told.first_at and told.last_at else "No mail"
    return Page(
        mailbox,
        f"{span}; times as clocks show them in {zone.key}",
        _tiles(counting, told),
        [
            _over_time(counting, told, zone),
            _week(counting, zone),
            _senders(counting),
            _recipients(counting),
            *_judged(counting),
            _newsletters(counting),
            _responses(counting),
            _domains(counting, space),
            _labels(counting),
            _largest(space),
            _longest(counting),
        ],
        f"Made {made_at:%Y-%m-%d %H:%M} UTC by Gmail Backup Manager. This page loads nothing and sends nothing.",
    )


def bucket_of(told: Overview) -> Bucket:
    """The parts of time in which a chart shows a mailbox: by the years that hold nearly all of it."""
    days, few = 0.0, sum(year["messages"] for year in told.years) / _FEW
    if told.first_at and told.last_at:
        years = [each["year"] for each in told.years if each["messages"] > few]
        days = min((told.last_at - told.first_at).days, (years[-1] - years[0] + 1) * 366 if years else 366)
    if days <= _POINTS:
        return "day"
    return "week" if days <= 7 * _POINTS else "month" if days <= 30 * _POINTS else "year"


def grid(hours: Sequence[Row]) -> list[list[int]]:
    """Messages by weekday, Monday first, and hour, of `MailboxStats.activity`."""
    found = [[0] * 24 for _ in range(7)]
    for each in hours:
        found[each["weekday"] - 1][each["hour"]] = each["messages"]
    return found


def _tiles(counting: MailboxStats, told: Overview) -> list[tuple[str, str]]:
    """The numbers at the top, with what each counts."""
    counted = ("messages", "size_bytes", "unread", "sent", "deleted")
    totals, files = {name: sum(year[name] for year in told.years) for name in counted}, counting.attachments()
    read = f"{1 - totals['unread'] / totals['messages']:.0%}" if totals["messages"] else "-"
    return [
        (f"{totals['messages']:,}", "messages"),
        (size(totals["size_bytes"]), "of mail"),
        (f"{totals['sent']:,}", "sent"),
        (read, "read"),
        (f"{files.files:,}", f"attached files, {size(files.size_bytes)}"),
        (f"{totals['deleted']:,}", "kept although deleted in Gmail"),
    ]


def _over_time(counting: MailboxStats, told: Overview, zone: ZoneInfo) -> Section:
    bucket = bucket_of(told)
    shape = {"day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[bucket]
    found = counting.timeline(bucket, zone, MOST_POINTS)
    points = [(f"{each['start']:{shape}}", each["messages"]) for each in found]
    note = f"Messages a {bucket}; parts without mail are left out."
    return Section("Your mail over time", note, charts.columns(note, points), wide=True)


def _week(counting: MailboxStats, zone: ZoneInfo) -> Section:
    note = "When in the week mail comes: the darker, the more."
    return Section("Your week", note, charts.week(note, grid(counting.activity(zone))))


def _senders(counting: MailboxStats) -> Section:
    return Section("Who writes to you", "Messages by sender.", _people(counting.senders(_ROWS), "Messages by sender"))


def _recipients(counting: MailboxStats) -> Section:
    note = "Messages by address in To, Cc and Bcc; your own is usually first."
    return Section("To whom mail goes", note, _people(counting.recipients(_ROWS), "Messages by recipient"))


def _people(rows: Sequence[Row], name: str) -> str:
    shown = [(row.get("name") or row["address"], row["messages"], f"{row['messages']:,}") for row in rows]
    return charts.bars(name, shown)


def _judged(counting: MailboxStats) -> list[Section]:
    """What analysis says; nothing where no message was analysed."""
    judgements = AnalysisStats(counting)
    kinds = [
        (each["category"].replace("_", " "), each["messages"]) for each in judgements.categories() if each["category"]
    ]
    if not kinds:
        return []
    languages = [(each["language"], each["messages"]) for each in judgements.languages() if each["language"]]
    totals, _ = judgements.security(1)
    signs = [(sign, f"{totals[name]:,}") for name, sign in _SIGNS if totals[name]]
    return [
        Section(
            "What kinds of mail", "By what each message says and how it came.", charts.share("Kinds of mail", kinds)
        ),
        Section("In which languages", "Of what was written, quotes left out.", charts.share("Languages", languages)),
        Section(
            "Not what it says?",
            "Messages with a sign of deceit; most have an honest reason.",
            html.table(("Sign", "Messages"), signs, 1),
        ),
    ]


def _newsletters(counting: MailboxStats) -> Section:
    lists = Correspondence(counting).lists(_ROWS)
    rows = [(each["list_id"], f"{each['messages']:,}", f"{each['read'] / each['messages']:.0%}") for each in lists]
    return Section("Mailing lists", "And how much of each was read.", html.table(("List", "Messages", "Read"), rows, 2))


def _responses(counting: MailboxStats) -> Section:
    sides = zip(("You", "Others"), Correspondence(counting).responses(), strict=True)
    rows = [
        (whose, f"{each.responses:,}", duration(each.median_s or 0.0), duration(each.p90_s or 0.0))
        for whose, each in sides
        if each.responses
    ]
    note = "How long answers take: half of them at most the first time, nine of ten at most the second."
    return Section("Answers", note, html.table(("Who", "Answers", "Half within", "Most within"), rows, 3))


def _domains(counting: MailboxStats, space: Space) -> Section:
    messages, attached = space.duplicate_messages(1), space.duplicate_attachments(1)
    note = (
        f"Bytes by sender's domain. {messages['extra_copies']:,} messages and {attached['extra_copies']:,} attached"
        " files are there more than once."
    )
    domains = counting.domains("senders", _ROWS, by_size=True)
    bars = [(each["domain"], each["size_bytes"], size(each["size_bytes"])) for each in domains]
    return Section("What takes the space", note, charts.bars("Bytes by sender's domain", bars))


def _labels(counting: MailboxStats) -> Section:
    labels = counting.labels(_ROWS)
    bars = [(each["name"], each["messages"], f"{each['messages']:,}") for each in labels if each["messages"]]
    return Section("Labels", "Messages that carry each now.", charts.bars("Messages by label", bars))


def _largest(space: Space) -> Section:
    rows = [
        (each["subject"], each["sender"], f"{each['received_at']:%Y-%m-%d}", size(each["size_bytes"]))
        for each in space.messages(_ROWS)
    ]
    table = html.table(("Subject", "From", "Date", "Size"), rows, 2)
    return Section("The largest messages", "With all that is attached to them.", table, wide=True)


def _longest(counting: MailboxStats) -> Section:
    rows = [
        (each["subject"], f"{each['messages']:,}", f"{each['people']:,}", f"{each['last_at']:%Y-%m-%d}")
        for each in Correspondence(counting).longest(_ROWS)
    ]
    table = html.table(("Subject", "Messages", "People", "Last"), rows, 3)
    return Section("The longest conversations", "Threads with the most messages.", table, wide=True)
