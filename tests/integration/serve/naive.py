"""Mail with everything that analytics counts, stored in two commits, and every answer counted in plain Python."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from hashlib import sha256
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

OWNER = "ann@example.com"
Row = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """A message as it was made, and as it is at some moment."""

    number: int
    thread: int
    at: datetime
    labels: frozenset[str]
    sender: tuple[str, str]
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    subject: str = ""
    list_id: str = ""
    files: tuple[tuple[str, bytes], ...] = ()
    copy_of: int | None = None
    deleted: bool = False
    owner: str = OWNER

    @property
    def raw(self) -> bytes:
        """The exact bytes; those of a copy are another's."""
        made = EmailMessage()
        name, address = self.sender
        made["From"] = f"{name} <{address}>" if name else address
        for header, values in (("To", self.to), ("Cc", self.cc)):
            if values:
                made[header] = ", ".join(values)
        made["Subject"] = self.subject
        made["Message-ID"] = f"<{self.copy_of or self.number}@example.com>"
        if self.list_id:
            made["List-Id"] = self.list_id
        made.set_content("Good morning.\n" * (1 + (self.copy_of or self.number) % 5))
        for filename, content in self.files:
            made.add_attachment(content, "application", "pdf", filename=filename)
        # The library makes a boundary at random.
        boundary = made.get_boundary()
        raw = made.as_bytes()
        return raw if boundary is None else raw.replace(boundary.encode(), b"=-=-=boundary=-=-=")

    @property
    def is_mine(self) -> bool:
        return "SENT" in self.labels or self.sender[1].lower() == self.owner


@dataclass(frozen=True)
class Question:
    """Which messages count."""

    q: str = ""
    span: tuple[datetime | None, datetime | None] = (None, None)
    tz: str = "UTC"
    params: Row = field(default_factory=dict)


def _shown(holds: Callable[[Sent], bool]) -> Callable[[Sent], bool]:
    return lambda mail: holds(mail) and not {"SPAM", "TRASH"} & mail.labels


#: Searches, and what each finds.
SEARCHES: dict[str, Callable[[Sent], bool]] = {
    "": lambda mail: True,
    "in:anywhere": lambda mail: True,
    "subject:alpha": _shown(lambda mail: "alpha" in mail.subject),
    "has:attachment -in:inbox": _shown(lambda mail: bool(mail.files) and "INBOX" not in mail.labels),
    "is:unread OR subject:beta": _shown(lambda mail: "UNREAD" in mail.labels or "beta" in mail.subject),
    "label:receipts": _shown(lambda mail: "Label_1" in mail.labels),
    "in:spam": lambda mail: "SPAM" in mail.labels and "TRASH" not in mail.labels,
    "larger:800": _shown(lambda mail: len(mail.raw) > 800),
    "from:me": _shown(lambda mail: mail.sender[1].lower() == mail.owner),
    "subject:nowhere": lambda mail: False,
}


def chosen(mails: Iterable[Sent], question: Question) -> list[Sent]:
    """The messages that a question is about."""
    first, last = question.span
    holds = SEARCHES[question.q]
    return [
        mail
        for mail in mails
        if holds(mail) and (first is None or mail.at >= first) and (last is None or mail.at < last)
    ]


def total(mails: Sequence[Sent]) -> Row:
    """How many, and how large."""
    return {"messages": len(mails), "size_bytes": sum(len(mail.raw) for mail in mails)}


def states(mails: Sequence[Sent]) -> Row:
    """How many are in which state."""
    kept = [mail for mail in mails if not mail.deleted]
    return {
        "deleted": len(mails) - len(kept),
        "unread": sum("UNREAD" in mail.labels for mail in kept),
        "sent": sum("SENT" in mail.labels for mail in kept),
    }


def _ends(mails: Sequence[Sent]) -> Row:
    return {"first_at": min(mail.at for mail in mails), "last_at": max(mail.at for mail in mails)}


def _grouped(mails: Iterable[Sent], keys: Callable[[Sent], Iterable[Any]]) -> dict[Any, list[Sent]]:
    groups: defaultdict[Any, list[Sent]] = defaultdict(list)
    for mail in mails:
        for key in {*keys(mail)}:
            groups[key].append(mail)
    return groups


def _newest(mails: Sequence[Sent]) -> Sent:
    return max(mails, key=lambda mail: (mail.at, mail.number))


def _oldest(mails: Sequence[Sent]) -> Sent:
    return min(mails, key=lambda mail: (mail.at, mail.number))


def _address(shown: str) -> str:
    return shown.split("<")[-1].strip("<> ").lower()


def _most(items: Iterable[Row], key: str, by: str = "messages") -> list[Row]:
    return sorted(items, key=lambda item: (-item[by], item[key]))


def years(mails: Sequence[Sent]) -> list[Row]:
    groups = _grouped(mails, lambda mail: [mail.at.year])
    return [{"year": year, **total(groups[year])} for year in sorted(groups)]


def senders(mails: Sequence[Sent]) -> list[Row]:
    groups = _grouped(mails, lambda mail: [mail.sender[1].lower()])
    found = (
        {"address": key, "name": _newest(group).sender[0], **total(group), **_ends(group)}
        for key, group in groups.items()
    )
    return _most(found, "address")


def _recipients(mail: Sent) -> list[str]:
    return [address for shown in (*mail.to, *mail.cc) if "@" in (address := _address(shown))]


def recipients(mails: Sequence[Sent]) -> list[Row]:
    groups = _grouped(mails, _recipients)
    return _most(({"address": key, **total(group), **_ends(group)} for key, group in groups.items()), "address")


def domains(mails: Sequence[Sent], side: str, by: str = "messages") -> list[Row]:
    def keys(mail: Sent) -> list[str]:
        addresses = [mail.sender[1].lower()] if side == "senders" else _recipients(mail)
        return [address.split("@")[-1] if "@" in address else "" for address in addresses]

    groups = _grouped(mails, keys)
    return _most(({"domain": key, **total(group), **_ends(group)} for key, group in groups.items()), "domain", by)


def start_of(at: datetime, bucket: str, zone: ZoneInfo) -> datetime:
    """When a bucket begins: in UTC of an hour, which may come twice, in local time without a zone of all others."""
    local = at.astimezone(zone)
    if bucket == "hour":
        return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if bucket == "week":
        return day - timedelta(days=day.weekday())
    if bucket == "month":
        return day.replace(day=1)
    if bucket == "quarter":
        return day.replace(month=1 + (day.month - 1) // 3 * 3, day=1)
    return day.replace(month=1, day=1) if bucket == "year" else day


def timeline(mails: Sequence[Sent], bucket: str, tz: str) -> list[Row]:
    zone = ZoneInfo(tz)
    groups = _grouped(mails, lambda mail: [start_of(mail.at, bucket, zone)])

    def shown(start: datetime) -> str:
        return (start.astimezone(zone) if bucket == "hour" else start.replace(tzinfo=zone)).isoformat()

    return [{"start": shown(start), **total(groups[start]), **states(groups[start])} for start in sorted(groups)]


def activity(mails: Sequence[Sent], tz: str) -> list[Row]:
    zone = ZoneInfo(tz)
    groups = _grouped(mails, lambda mail: [(mail.at.astimezone(zone).isoweekday(), mail.at.astimezone(zone).hour)])
    return [
        {"weekday": key[0], "hour": key[1], "messages": len(groups[key]), "sent": states(groups[key])["sent"]}
        for key in sorted(groups)
    ]


def labels(mails: Sequence[Sent], known: Sequence[tuple[str, str, str]]) -> list[Row]:
    groups = _grouped([mail for mail in mails if not mail.deleted], lambda mail: mail.labels)
    names = {label: (name, kind) for label, name, kind in known}
    found = (
        {
            "id": label,
            "name": names.get(label, (label, "user"))[0],
            "type": names.get(label, (label, "user"))[1],
            "unread": sum("UNREAD" in mail.labels for mail in groups.get(label, [])),
            **total(groups.get(label, [])),
        }
        for label in {*groups, *names}
    )
    return _most(found, "id")


def attachments(mails: Sequence[Sent]) -> Row:
    files = [content for mail in mails for _, content in mail.files]
    return {
        "messages": sum(bool(mail.files) for mail in mails),
        "files": len(files),
        "size_bytes": sum(map(len, files)),
    }


def overview(mails: Sequence[Sent], known: Sequence[tuple[str, str, str]]) -> Row:
    wanted = ("id", "name", "messages", "unread")
    return {
        **total(mails),
        **states(mails),
        **(_ends(mails) if mails else {"first_at": None, "last_at": None}),
        "years": years(mails),
        "labels": [{name: each[name] for name in wanted} for each in labels(mails, known)],
        "attachments": attachments(mails),
    }


def _duplicates(groups: dict[bytes, list[tuple[Sent, int, str]]], limit: int, with_name: bool) -> Row:
    """groups: sha256 -> (message, size, filename), oldest first."""
    many = [(key, copies) for key, copies in groups.items() if len(copies) > 1]
    many.sort(key=lambda each: (-(len(each[1]) - 1) * each[1][0][1], each[0]))
    items = [
        {
            "id": f"{copies[0][0].number:x}",
            "sha256": key.hex(),
            "copies": len(copies),
            "size_bytes": copies[0][1],
            **({"filename": copies[0][2]} if with_name else {}),
        }
        for key, copies in many
    ]
    return {
        "groups": len(many),
        "extra_copies": sum(len(copies) - 1 for _, copies in many),
        "extra_bytes": sum((len(copies) - 1) * copies[0][1] for _, copies in many),
        "items": items[:limit],
    }


def storage(mails: Sequence[Sent], known: Sequence[tuple[str, str, str]], limit: int) -> Row:
    in_order = sorted(mails, key=lambda mail: (mail.at, mail.number))
    same: defaultdict[bytes, list[tuple[Sent, int, str]]] = defaultdict(list)
    files: defaultdict[bytes, list[tuple[Sent, int, str]]] = defaultdict(list)
    largest: list[tuple[int, Row]] = []
    for mail in in_order:
        same[sha256(mail.raw).digest()].append((mail, len(mail.raw), ""))
        for number, (name, content) in enumerate(mail.files):
            files[sha256(content).digest()].append((mail, len(content), name))
            part: Row = {"id": f"{mail.number:x}", "part": str(number + 2), "received_at": mail.at, "filename": name}
            part |= {"content_type": "application/pdf", "size_bytes": len(content)}
            largest.append((mail.number, part | {"sha256": sha256(content).hexdigest()}))
    largest.sort(key=lambda each: (-each[1]["size_bytes"], each[0], each[1]["part"]))
    wanted = ("id", "name", "messages", "size_bytes")
    return {
        **total(mails),
        "years": years(mails),
        "labels": [{name: each[name] for name in wanted} for each in labels(mails, known)][:limit],
        "domains": [
            {name: each[name] for name in ("domain", "messages", "size_bytes")}
            for each in domains(mails, "senders", "size_bytes")
        ][:limit],
        "largest_messages": [
            {
                "id": f"{mail.number:x}",
                "thread_id": f"{mail.thread:x}",
                "received_at": mail.at,
                "from": f"{mail.sender[0]} <{mail.sender[1]}>" if mail.sender[0] else mail.sender[1],
                "subject": mail.subject,
                "size_bytes": len(mail.raw),
            }
            for mail in sorted(mails, key=lambda mail: (-len(mail.raw), mail.number))
        ][:limit],
        "largest_attachments": [each for _, each in largest][:limit],
        "duplicate_messages": _duplicates(same, limit, with_name=False),
        "duplicate_attachments": _duplicates(files, limit, with_name=True),
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    ordered, at = sorted(values), share * (len(values) - 1)
    low = int(at)
    return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def threads(mails: Sequence[Sent]) -> Row:
    groups = _grouped(mails, lambda mail: [mail.thread])
    waited: dict[bool, list[float]] = {True: [], False: []}
    for group in groups.values():
        ordered = sorted(group, key=lambda mail: (mail.at, mail.number))
        for former, mail in pairwise(ordered):
            if former.is_mine != mail.is_mine:
                waited[mail.is_mine].append((mail.at - former.at).total_seconds())
    longest = [
        {
            "id": thread,
            "subject": _oldest(group).subject,
            "people": len({mail.sender[1].lower() for mail in group}),
            **total(group),
            **_ends(group),
        }
        for thread, group in groups.items()
    ]
    sides = {
        name: {
            "responses": len(waited[mine]),
            "median_s": _quantile(waited[mine], 0.5),
            "p90_s": _quantile(waited[mine], 0.9),
        }
        for name, mine in (("mine", True), ("theirs", False))
    }
    return {"longest": [{**each, "id": f"{each['id']:x}"} for each in _most(longest, "id")], **sides}


def newsletters(mails: Sequence[Sent]) -> list[Row]:
    groups = _grouped(mails, lambda mail: [mail.list_id] if mail.list_id else [])
    found = (
        {
            "list_id": key,
            "sender_name": _newest(group).sender[0],
            "sender_address": _newest(group).sender[1].lower(),
            "read": sum("UNREAD" not in mail.labels for mail in group),
            **total(group),
            **_ends(group),
        }
        for key, group in groups.items()
    )
    return _most(found, "list_id")


def told(value: Any) -> Any:
    """An answer with its moments as moments, so that spellings of them do not matter."""
    if isinstance(value, dict):
        return {name: each.replace("Z", "+00:00") if name == "start" else told(each) for name, each in value.items()}
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, str) and len(value) > 18 and value[10] == "T" and value[4] == "-":
        return datetime.fromisoformat(value).astimezone(UTC)
    return value
