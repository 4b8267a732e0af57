"""Every answer of analytics is what counting the same mail in plain Python gives, whatever it is narrowed by."""

import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from statistics import quantiles
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from storage.records import DELETED, LabelChange
from tests.integration.serve.conftest import FIRST_AT, Archive, signed_in

PATH = "/api/v1/analytics"
PEOPLE = ("Ann <ann@example.com>", "zoe@example.org", "Bob Builder <bob@example.com>", "carol@Example.ORG")
LISTS = ("", "", "<news.example.org>", "<dev.example.com>")
WORDS = ("report", "lunch", "invoice")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")


@dataclass(frozen=True)
class Letter:
    """A message, and what its mailbox knows of it now."""

    message_id: int
    thread_id: int
    received_at: datetime
    labels: frozenset[str]
    deleted: bool
    sender: str
    to: tuple[str, ...]
    list_id: str
    word: str
    files: tuple[bytes, ...]

    @property
    def raw(self) -> bytes:
        head = f"From: {self.sender}\r\nTo: {', '.join(self.to)}\r\nSubject: about {self.word}\r\n"
        head += f"List-Id: {self.list_id}\r\n" if self.list_id else ""
        if not self.files:
            return f"{head}\r\n{self.word} {'x' * (self.thread_id % 7)}\r\n".encode()
        parts = [b"Content-Type: text/plain\r\n\r\n" + self.word.encode()]
        parts += [
            b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=f.pdf\r\n\r\n" + content
            for content in self.files
        ]
        body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
        return f"{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n".encode() + body + b"--b--\r\n"

    @property
    def size(self) -> int:
        return len(self.raw)


def address(shown: str) -> str:
    return shown.split("<")[-1].rstrip(">").lower()


def name(shown: str) -> str:
    return shown.split(" <")[0] if "<" in shown else ""


def letters(random: Random) -> list[Letter]:
    """A mailbox; some messages are the same bytes, some arrive around the changes of clocks."""
    changes_of_clocks = [datetime(2024, 3, 31, tzinfo=UTC), datetime(2023, 10, 29, tzinfo=UTC)]
    made = []
    for number in range(1, random.randint(12, 40)):
        at = random.choice([FIRST_AT, *changes_of_clocks]) + timedelta(minutes=random.randint(0, 60 * 80))
        carried = {random.choice(["INBOX", "SENT", "SPAM", "Label_1"])}
        carried |= {label for label in ("UNREAD", "DRAFT", "STARRED") if random.random() < 0.25}
        made.append(
            Letter(
                number,
                random.randint(1, 6),
                at,
                frozenset(carried),
                random.random() < 0.15,
                random.choice(PEOPLE),
                tuple(random.sample(PEOPLE, random.randint(1, 3))),
                random.choice(LISTS),
                random.choice(WORDS),
                tuple(random.choice([b"12345", b"abc"]) for _ in range(random.choice([0, 0, 1, 2]))),
            )
        )
    return made


@dataclass(frozen=True)
class Case:
    """A mailbox, what is asked about it, and the letters that the answer is about."""

    ask: Callable[..., Any]
    params: dict[str, str]
    found: Sequence[Letter]


async def cases(client: httpx.AsyncClient, archive: Archive, seed: int) -> AsyncIterator[Case]:
    random = Random(seed)
    user, key = archive.add_user(f"ann{seed}@example.com")
    made = letters(random)
    by_thread = defaultdict(list)
    for letter in made:
        by_thread[letter.thread_id].append(letter)
    for thread_id, members in by_thread.items():  # commits take labels of the fetch; times are the letters' own
        archive.commit(
            user,
            [(each.message_id, sorted(each.labels), each.raw) for each in members],
            thread_id=thread_id,
            received_at=[each.received_at for each in members],
        )
    before = archive.present(user)
    gone = [LabelChange(user.user_id, each.message_id, DELETED, True, 20) for each in made if each.deleted]
    turned = random.choice(made)
    gone.append(LabelChange(user.user_id, turned.message_id, "STARRED", "STARRED" not in turned.labels, 21))
    archive.commit(user, [], gone)
    now = [Letter(**{**vars(each), "labels": each.labels ^ {"STARRED"}}) if each is turned else each for each in made]
    then = [Letter(**{**vars(each), "deleted": False}) for each in made]
    headers = await signed_in(client, key)

    async def ask(route: str, params: dict[str, str]) -> Any:
        answer = await client.get(f"{PATH}/{route}", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    since = FIRST_AT + timedelta(hours=random.randint(0, 20))
    until = since + timedelta(hours=random.randint(1, 50))
    span = {"from": since.isoformat(), "to": until.isoformat()}
    for mailbox, moment in ((now, {}), (then, {"as_of": before.isoformat()})):
        shown = [each for each in mailbox if "SPAM" not in each.labels]
        within = [each for each in mailbox if since <= each.received_at < until]
        yield Case(ask, moment, mailbox)
        yield Case(ask, moment | span, within)
        yield Case(ask, moment | {"q": "is:starred"}, [each for each in shown if "STARRED" in each.labels])
        yield Case(ask, moment | {"q": "lunch"}, [each for each in shown if each.word == "lunch"])
        both = [each for each in within if each in shown and (each.word == "report" or "UNREAD" in each.labels)]
        yield Case(ask, moment | span | {"q": "{report is:unread}"}, both)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(4))
async def test_every_answer_is_what_counting_gives(client: httpx.AsyncClient, archive: Archive, seed: int) -> None:
    asked = 0
    async for case in cases(client, archive, seed):
        for check in (overview, people, domains, timeline, activity, labels, space, threads, newsletters):
            await check(case)
            asked += 1
    assert asked == 90


async def overview(case: Case) -> None:
    told = await case.ask("overview", case.params)
    alive = [each for each in case.found if not each.deleted]
    assert told["messages"] == len(case.found)
    assert told["size_bytes"] == sum(each.size for each in case.found)
    assert told["deleted"] == len(case.found) - len(alive)
    assert told["unread"] == sum("UNREAD" in each.labels for each in alive)
    assert told["sent"] == sum("SENT" in each.labels for each in alive)
    ends: list[datetime | None] = [*sorted(each.received_at for each in case.found)] or [None]
    assert [told[end] and datetime.fromisoformat(told[end]) for end in ("first_at", "last_at")] == [ends[0], ends[-1]]
    by_year = Counter(each.received_at.year for each in case.found)
    assert [(each["year"], each["messages"]) for each in told["years"]] == sorted(by_year.items())
    files = [content for each in case.found for content in each.files]
    assert told["attachments"] == {
        "messages": sum(bool(each.files) for each in case.found),
        "files": len(files),
        "size_bytes": sum(map(len, files)),
    }


WHOM: dict[str, Callable[[Letter], set[str]]] = {
    "senders": lambda each: {each.sender},
    "recipients": lambda each: {*each.to},
}


async def people(case: Case) -> None:
    for route, whom in WHOM.items():
        written: defaultdict[str, list[tuple[datetime, int, str, int]]] = defaultdict(list)
        for each in case.found:
            for shown in whom(each):
                written[address(shown)].append((each.received_at, each.message_id, name(shown), each.size))
        expected: list[dict[str, Any]] = [
            {
                "address": who,
                "name": max(mails)[2],
                "messages": len(mails),
                "size_bytes": sum(mail[3] for mail in mails),
                "first_at": min(mails)[0],
                "last_at": max(mails)[0],
            }
            for who, mails in written.items()
        ]
        told = (await case.ask(route, {**case.params, "limit": "1000"}))["items"]
        for each in told:
            each |= {end: datetime.fromisoformat(each[end]) for end in ("first_at", "last_at")}
        assert told == sorted(expected, key=lambda each: (-each["messages"], each["address"])), route


async def domains(case: Case) -> None:
    for side, whom in WHOM.items():
        mails: defaultdict[str, set[Letter]] = defaultdict(set)
        addresses: defaultdict[str, set[str]] = defaultdict(set)
        for each in case.found:
            for shown in map(address, whom(each)):
                domain = shown.split("@")[1]
                mails[domain].add(each)
                addresses[domain].add(shown)
        told = (await case.ask("domains", {**case.params, "side": side}))["items"]
        expected: list[dict[str, Any]] = [
            {
                "domain": domain,
                "addresses": len(addresses[domain]),
                "messages": len(found),
                "size_bytes": sum(each.size for each in found),
            }
            for domain, found in mails.items()
        ]
        assert told == sorted(expected, key=lambda each: (-each["messages"], each["domain"])), side


BUCKETS: dict[str, Callable[[datetime], datetime]] = {
    "hour": lambda at: at.replace(minute=0, second=0, microsecond=0),
    "day": lambda at: at.replace(hour=0, minute=0, second=0, microsecond=0),
    "week": lambda at: BUCKETS["day"](at) - timedelta(days=at.weekday()),
    "month": lambda at: BUCKETS["day"](at).replace(day=1),
    "quarter": lambda at: BUCKETS["month"](at).replace(month=(at.month - 1) // 3 * 3 + 1),
    "year": lambda at: BUCKETS["month"](at).replace(month=1),
}


async def timeline(case: Case) -> None:
    for bucket, start in BUCKETS.items():
        tz = ZONES[len(bucket) % len(ZONES)]
        parts: defaultdict[datetime, list[Letter]] = defaultdict(list)
        for each in case.found:
            parts[start(each.received_at.astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0))].append(each)
        told = (await case.ask("timeline", {**case.params, "bucket": bucket, "tz": tz}))["items"]
        assert [datetime.fromisoformat(each.pop("starts")) for each in told] == [
            at.replace(tzinfo=ZoneInfo(tz)) for at in sorted(parts)
        ]
        assert told == [
            {
                "messages": len(found),
                "size_bytes": sum(each.size for each in found),
                "unread": sum("UNREAD" in each.labels and not each.deleted for each in found),
                "sent": sum("SENT" in each.labels and not each.deleted for each in found),
            }
            for _, found in sorted(parts.items(), key=lambda part: part[0])
        ]


async def activity(case: Case) -> None:
    for tz in ZONES:
        hours: defaultdict[tuple[int, int], list[Letter]] = defaultdict(list)
        for each in case.found:
            local = each.received_at.astimezone(ZoneInfo(tz))
            hours[local.isoweekday(), local.hour].append(each)
        told = (await case.ask("activity", {**case.params, "tz": tz}))["items"]
        assert told == [
            {
                "weekday": weekday,
                "hour": hour,
                "messages": len(found),
                "sent": sum("SENT" in each.labels and not each.deleted for each in found),
            }
            for (weekday, hour), found in sorted(hours.items(), key=lambda part: part[0])
        ]


def carried(found: Iterable[Letter]) -> dict[str, tuple[int, int, int]]:
    by_label: defaultdict[str, list[Letter]] = defaultdict(list)
    for each in found:
        for label in each.labels if not each.deleted else ():
            by_label[label].append(each)
    return {
        label: (len(mails), sum("UNREAD" in each.labels for each in mails), sum(each.size for each in mails))
        for label, mails in by_label.items()
    }


async def labels(case: Case) -> None:
    told = (await case.ask("labels", case.params))["items"]
    assert {each["id"] for each in told} >= {"INBOX", "Label_1"}
    found = {each["id"]: (each["messages"], each["unread"], each["size_bytes"]) for each in told if each["messages"]}
    assert found == carried(case.found)


async def space(case: Case) -> None:
    told = await case.ask("storage", {**case.params, "limit": "1000"})
    assert told["size_bytes"] == sum(each.size for each in case.found)
    sizes = carried(case.found)
    assert [each["id"] for each in told["labels"]] == sorted(sizes, key=lambda label: (-sizes[label][2], label))
    largest = sorted(case.found, key=lambda each: (-each.size, each.message_id))
    assert [(each["id"], each["size_bytes"], each["from"]) for each in told["largest"]] == [
        (f"{each.message_id:x}", each.size, each.sender) for each in largest
    ]
    by_domain: Counter[str] = Counter()
    for each in case.found:
        by_domain[address(each.sender).split("@")[1]] += each.size
    assert {each["domain"]: each["size_bytes"] for each in told["domains"]} == by_domain
    files = [(content, each.message_id) for each in case.found for content in each.files]
    assert [each["size_bytes"] for each in told["largest_attachments"]] == sorted(
        (len(content) for content, _ in files), reverse=True
    )
    mails = Counter(sha256(each.raw).digest() for each in case.found)
    size = {sha256(each.raw).digest(): each.size for each in case.found}
    contents = Counter(content for content, _ in files)
    assert told["copies"] == {
        "messages": sum(many - 1 for many in mails.values()),
        "size_bytes": sum((many - 1) * size[digest] for digest, many in mails.items()),
        "files": sum(many - 1 for many in contents.values()),
        "files_size_bytes": sum((many - 1) * len(content) for content, many in contents.items()),
    }


async def threads(case: Case) -> None:
    told = await case.ask("threads", {**case.params, "limit": "1000"})
    members: defaultdict[int, list[Letter]] = defaultdict(list)
    for each in case.found:
        members[each.thread_id].append(each)
    expected = []
    waited: dict[bool, list[float]] = {True: [], False: []}
    for thread_id, mails in members.items():
        mails.sort(key=lambda each: (each.received_at, each.message_id))
        sent = sum("SENT" in each.labels for each in mails)
        expected.append((f"{thread_id:x}", f"about {mails[0].word}", len(mails), sent, sum(m.size for m in mails)))
        said = [each for each in mails if "DRAFT" not in each.labels]
        for one, other in itertools.pairwise(said):
            if ("SENT" in one.labels) != ("SENT" in other.labels):
                waited["SENT" in other.labels].append((other.received_at - one.received_at).total_seconds())
    assert [
        (each["id"], each["subject"], each["messages"], each["sent"], each["size_bytes"]) for each in told["items"]
    ] == sorted(expected, key=lambda each: (-each[2], int(each[0], 16)))
    for side, mine in (("mine", True), ("theirs", False)):
        assert told[side]["responses"] == len(waited[mine])
        assert told[side]["median_s"] == pytest.approx(_percentile(waited[mine], 50), nan_ok=True)
        assert told[side]["p90_s"] == pytest.approx(_percentile(waited[mine], 90), nan_ok=True)


def _percentile(values: list[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]


async def newsletters(case: Case) -> None:
    told = (await case.ask("newsletters", case.params))["items"]
    lists: defaultdict[str, list[Letter]] = defaultdict(list)
    for each in case.found:
        if each.list_id:
            lists[each.list_id.strip("<>")].append(each)
    expected = []
    for list_id, mails in lists.items():
        newest = max(mails, key=lambda each: (each.received_at, each.message_id))
        read = sum("UNREAD" not in each.labels for each in mails)
        expected.append((list_id, newest.sender, len(mails), read, sum(each.size for each in mails)))
    assert [
        (each["list_id"].strip("<>"), each["from"], each["messages"], each["read"], each["size_bytes"]) for each in told
    ] == sorted(expected, key=lambda each: (-each[2], each[0]))


async def test_what_cannot_be_answered_is_told(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    times = [FIRST_AT + timedelta(hours=number) for number in range(5001)]
    archive.commit(user, [(n, ["INBOX"], b"x") for n in range(1, 5002)], received_at=times)
    headers = await signed_in(client, key)
    for params, code in (
        ({"tz": "Mars/Olympus"}, "unknown_time_zone"),
        ({"bucket": "hour"}, "too_many_buckets"),
        ({"bucket": "century"}, "validation"),
        ({"q": "(unclosed"}, "invalid_query"),
    ):
        answer = await client.get(f"{PATH}/timeline", params=params, headers=headers)
        assert answer.json()["code"] == code, answer.text
        assert answer.status_code == (400 if code == "invalid_query" else 422)
    fewer = {"bucket": "hour", "to": times[5000].isoformat()}
    assert len((await client.get(f"{PATH}/timeline", params=fewer, headers=headers)).json()["items"]) == 5000
