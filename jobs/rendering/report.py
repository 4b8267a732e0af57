"""A one-page report of a mailbox: mail over time, senders, storage usage, mailing lists."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from jobs.rendering import charts, html
from jobs.rendering.html import Page, Section
from jobs.rendering.units import duration, size
from storage.analytics.analysis_stats import AnalysisStats
from storage.analytics.correspondence import Correspondence
from storage.analytics.stats import Bucket, MailboxStats, Overview, Row
from storage.analytics.storage_usage import Space

#: More buckets of a timeline than any span of years has at the sizes that `bucket_of` chooses.
MOST_POINTS = 5000
_ROWS = 10
_SIGNS = (
    ("dmarc_failed", "DMARC failed"),
    ("spf_failed", "SPF failed"),
    ("dkim_failed", "DKIM failed"),
    ("lookalikes", "the sender's domain imitates a well-known one"),
    ("name_differs", "the sender's name shows another domain"),
    ("reply_to_differs", "replies go to another domain"),
    ("executables", "a file that would run"),
    ("disguised_files", "a file that is not what its name says"),
)
#: Most points of the first chart before it uses larger buckets.
_POINTS = 200
#: A year with less than this share of the messages does not extend the chart: dates of mail may be wrong.
_FEW = 500


def report(mailbox: str, counting: MailboxStats, zone: ZoneInfo, made_at: datetime) -> Page:
    """Make the report.

    Args:
        mailbox: the mailbox's name in the heading.
        zone: time zone of all times.

    Raises:
        UnknownZone, FileDamaged, DatabaseUnreachable.
    """
    overview, space = counting.overview(), Space(counting)
    first_at, last_at = overview.first_at, overview.last_at
    span = f"{first_at:%Y-%m-%d} to {last_at:%Y-%m-%d}" if first_at and last_at else "No mail"
    return Page(
        mailbox,
        f"{span}; times in {zone.key}",
        _tiles(counting, overview),
        [
            _over_time(counting, overview, zone),
            _week(counting, zone),
            _senders(counting),
            _recipients(counting),
            *_analysis_sections(counting),
            _newsletters(counting),
            _responses(counting),
            _domains(counting, space),
            _labels(counting),
            _largest(space),
            _longest(counting),
        ],
        f"Made {made_at:%Y-%m-%d %H:%M} UTC by Gmail Backup Manager. This page loads nothing and sends nothing.",
    )


def bucket_of(overview: Overview) -> Bucket:
    """The bucket size for the first chart: by the span of years that contain nearly all of the mail."""
    days, few = 0.0, sum(year["messages"] for year in overview.years) / _FEW
    if overview.first_at and overview.last_at:
        years = [year["year"] for year in overview.years if year["messages"] > few]
        days = min((overview.last_at - overview.first_at).days, (years[-1] - years[0] + 1) * 366 if years else 366)
    if days <= _POINTS:
        return "day"
    return "week" if days <= 7 * _POINTS else "month" if days <= 30 * _POINTS else "year"


def grid(hours: Sequence[Row]) -> list[list[int]]:
    """Messages by weekday, Monday first, and hour, of `MailboxStats.activity`."""
    cells = [[0] * 24 for _ in range(7)]
    for hour in hours:
        cells[hour["weekday"] - 1][hour["hour"]] = hour["messages"]
    return cells


def _tiles(counting: MailboxStats, overview: Overview) -> list[tuple[str, str]]:
    """The numbers at the top of the page, with their names."""
    counted = ("messages", "size_bytes", "unread", "sent", "deleted")
    totals, files = {name: sum(year[name] for year in overview.years) for name in counted}, counting.attachments()
    read = f"{1 - totals['unread'] / totals['messages']:.0%}" if totals["messages"] else "-"
    return [
        (f"{totals['messages']:,}", "messages"),
        (size(totals["size_bytes"]), "of mail"),
        (f"{totals['sent']:,}", "sent"),
        (read, "read"),
        (f"{files.files:,}", f"attached files, {size(files.size_bytes)}"),
        (f"{totals['deleted']:,}", "kept although deleted in Gmail"),
    ]


def _over_time(counting: MailboxStats, overview: Overview, zone: ZoneInfo) -> Section:
    bucket = bucket_of(overview)
    shape = {"day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[bucket]
    rows = counting.timeline(bucket, zone, MOST_POINTS)
    points = [(f"{row['start']:{shape}}", row["messages"]) for row in rows]
    note = f"Messages per {bucket}; empty ones are left out."
    return Section("Your mail over time", note, charts.columns(note, points), wide=True)


def _week(counting: MailboxStats, zone: ZoneInfo) -> Section:
    note = "Messages by weekday and hour: the darker, the more."
    return Section("Your week", note, charts.week(note, grid(counting.activity(zone))))


def _senders(counting: MailboxStats) -> Section:
    return Section("Who writes to you", "Messages by sender.", _people(counting.senders(_ROWS), "Messages by sender"))


def _recipients(counting: MailboxStats) -> Section:
    note = "Messages by address in To, Cc and Bcc; your own is usually first."
    return Section("Who you write to", note, _people(counting.recipients(_ROWS), "Messages by recipient"))


def _people(rows: Sequence[Row], name: str) -> Markup:
    shown = [(row.get("name") or row["address"], row["messages"], f"{row['messages']:,}") for row in rows]
    return charts.bars(name, shown)


def _analysis_sections(counting: MailboxStats) -> list[Section]:
    """The analysers' results; empty when no message was analysed."""
    analysis = AnalysisStats(counting)
    categories, agreement = analysis.categories()
    kinds = [(row["category"].replace("_", " "), row["messages"]) for row in categories if row["category"]]
    languages = [(row["language"], row["messages"]) for row in analysis.languages() if row["language"]]
    totals, _ = analysis.security(1)
    if not (kinds or languages or totals["analysed"]):
        return []
    signs = [(sign, f"{totals[name]:,}") for name, sign in _SIGNS if totals[name]]
    return [
        Section(
            "Kinds of mail", "By Gmail's labels, else by content and origin.", charts.share("Kinds of mail", kinds)
        ),
        *_agreement_section(agreement),
        Section("Languages", "Of the messages' own text, without quotes.", charts.share("Languages", languages)),
        Section(
            "Signs of forgery",
            "Messages with a sign of forgery; most have a harmless reason.",
            html.table(("Sign", "Messages"), signs, 1),
        ),
    ]


def _agreement_section(agreement: list[Row]) -> list[Section]:
    """How far the analyser agrees with Gmail; empty when Gmail categorised no message."""
    if not agreement:
        return []
    rows = [
        (
            row["category"].replace("_", " "),
            f"{row['messages']:,}",
            f"{row['agreed'] / row['messages']:.0%}",
            f"{row['undecided'] / row['messages']:.0%}",
        )
        for row in agreement
    ]
    note = "Messages by Gmail's category, and how often content and origin say the same, or nothing."
    return [Section("Gmail and content", note, html.table(("Gmail", "Messages", "Same", "Nothing"), rows, 3))]


def _newsletters(counting: MailboxStats) -> Section:
    lists = Correspondence(counting).lists(_ROWS)
    rows = [(row["list_id"], f"{row['messages']:,}", f"{row['read'] / row['messages']:.0%}") for row in lists]
    return Section("Mailing lists", "And the share that was read.", html.table(("List", "Messages", "Read"), rows, 2))


def _responses(counting: MailboxStats) -> Section:
    sides = zip(("You", "Others"), Correspondence(counting).responses(), strict=True)
    rows = [
        (whose, f"{row.responses:,}", duration(row.median_s or 0.0), duration(row.p90_s or 0.0))
        for whose, row in sides
        if row.responses
    ]
    note = "Response times: half of the replies came within the first time, nine of ten within the second."
    return Section("Answers", note, html.table(("Who", "Answers", "Half within", "Most within"), rows, 3))


def _domains(counting: MailboxStats, space: Space) -> Section:
    messages, attached = space.duplicate_messages(1), space.duplicate_attachments(1)
    note = (
        f"Bytes by sender's domain. {messages['extra_copies']:,} messages and {attached['extra_copies']:,} attached"
        " files are duplicates."
    )
    domains = counting.domains("senders", _ROWS, by_size=True)
    bars = [(row["domain"], row["size_bytes"], size(row["size_bytes"])) for row in domains]
    return Section("Storage usage", note, charts.bars("Bytes by sender's domain", bars))


def _labels(counting: MailboxStats) -> Section:
    labels = counting.labels(_ROWS)
    bars = [(row["name"], row["messages"], f"{row['messages']:,}") for row in labels if row["messages"]]
    return Section("Labels", "Messages by their current labels.", charts.bars("Messages by label", bars))


def _largest(space: Space) -> Section:
    rows = [
        (row["subject"], row["sender"], f"{row['received_at']:%Y-%m-%d}", size(row["size_bytes"]))
        for row in space.messages(_ROWS)
    ]
    table = html.table(("Subject", "From", "Date", "Size"), rows, 2)
    return Section("The largest messages", "Including attachments.", table, wide=True)


def _longest(counting: MailboxStats) -> Section:
    rows = [
        (row["subject"], f"{row['messages']:,}", f"{row['people']:,}", f"{row['last_at']:%Y-%m-%d}")
        for row in Correspondence(counting).longest(_ROWS)
    ]
    table = html.table(("Subject", "Messages", "People", "Last"), rows, 3)
    return Section("The longest conversations", "Threads with the most messages.", table, wide=True)
