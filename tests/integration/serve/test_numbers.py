"""Every number of analytics is the one that counting the mail in plain Python gives."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobs.processing import write_segment
from serve.assembly import Assembly
from serve.settings import Settings
from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.model.records import DELETED, Commit, LabelChange, MailboxUpdate, Phase, User
from storage.model.schemas import FETCHED
from tests.integration.serve import naive
from tests.integration.serve.conftest import Archive, RecordingOwners, signed_in, stores
from tests.integration.serve.naive import OWNER, SEARCHES, Question, Sent
from tests.integration.serve.running import CONFIG

PATH = "/api/v1/analytics"
LABELS = [("INBOX", "INBOX", "system"), ("Label_1", "Receipts", "user"), ("Label_2", "Unused", "user")]
BUCKETS = ("hour", "day", "week", "month", "quarter", "year")
#: With summer time, with it beginning at midnight, by half an hour; 45 minutes off; and an abbreviation that is a zone.
ZONES = ("UTC", "Europe/Zurich", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "CET")
#: Around which clocks change, days end and years begin in these.
CORNERS = [
    datetime.fromisoformat(f"{each}:00:00Z")
    for each in (
        "2024-03-31T01",
        "2024-10-27T01",
        "2023-11-05T05",
        "2024-03-10T05",
        "2024-04-06T15",
        "2024-01-01T00",
        "2023-12-31T18",
    )
]
TO = ["Ann <ann@example.com>", "carl@example.org", "Dora <Dora@Example.NET>"]
FILES = [("a.pdf", b"a" * 900), ("b.pdf", b"a" * 900), ("c.pdf", b"c" * 30)]
moments = st.builds(
    lambda corner, minutes: corner + timedelta(minutes=minutes, seconds=minutes % 60),
    st.sampled_from(CORNERS),
    st.integers(-180, 180) | st.integers(-500_000, 500_000),
)
#: Where half hours begin: what counts are kept by.
days = st.sampled_from(CORNERS).map(lambda corner: corner.replace(hour=0))
edges = st.builds(
    lambda corner, slots: corner + slots * timedelta(minutes=30), st.sampled_from(CORNERS), st.integers(-9, 9)
)
sends = st.builds(
    Sent,
    number=st.just(0),
    thread=st.integers(1, 4),
    at=moments,
    labels=st.frozensets(st.sampled_from(["INBOX", "UNREAD", "SENT", "SPAM", "TRASH", "Label_1"]), max_size=3),
    sender=st.sampled_from(
        [("Ann", OWNER), ("Bob", "bob@example.org"), ("Bobby", "BOB@example.org"), ("", "news@lists.example.net")]
    ),
    to=st.lists(st.sampled_from(TO), max_size=3).map(tuple),
    cc=st.lists(st.sampled_from(["carl@example.org", "eve@x.example"]), max_size=2).map(tuple),
    subject=st.sampled_from(["alpha one", "Re: alpha beta", "gamma"]),
    list_id=st.sampled_from(["", "", "News <news.example.net>", "<talk.example.org>"]),
    files=st.lists(st.sampled_from(FILES), max_size=2).map(tuple),
)
changes = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["UNREAD", "INBOX", "SPAM", "Label_1", DELETED]), st.booleans()),
    max_size=6,
)
questions = st.builds(
    Question,
    q=st.sampled_from([*SEARCHES]),
    span=st.tuples(st.none() | moments | edges | days, st.none() | moments | edges | days),
    tz=st.sampled_from(ZONES),
)


@asynccontextmanager
async def client_of(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that lets through whatever comes."""
    assembly = Assembly(Settings(archive.backup, CONFIG), RecordingOwners())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(assembly.together()), base_url="http://gateway"
    ) as client:
        yield client
    assembly.close()


@pytest.fixture
async def client(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(archive) as client:
        yield client


def of(made: Sequence[Sent], owner: str) -> list[Sent]:
    """The messages with an owner of the mailbox."""
    return [
        replace(each, owner=owner, sender=(each.sender[0], owner) if each.sender[1] == OWNER else each.sender)
        for each in made
    ]


def numbered(made: Sequence[Sent], first: int) -> list[Sent]:
    """The messages with ids; every fifth is a copy of the one before."""
    found: list[Sent] = []
    for number, each in enumerate(made, first):
        if found and number % 5 == 0:
            former = found[-1]
            found.append(
                replace(former, number=number, at=each.at, thread=each.thread, copy_of=former.copy_of or former.number)
            )
        else:
            found.append(replace(each, number=number))
    return found


def after(mails: Sequence[Sent], told: Sequence[tuple[int, str, bool]]) -> list[Sent]:
    """The messages after changes of labels, the last of each counting."""
    last: Mapping[tuple[int, str], bool] = {(number, label): on for number, label, on in told}
    found = {each.number: each for each in mails}
    for (number, label), on in last.items():
        if number not in found:
            continue
        each = found[number]
        if label == DELETED:
            found[number] = replace(each, deleted=on)
        else:
            found[number] = replace(each, labels=each.labels | {label} if on else each.labels - {label})
    return [*found.values()]


def commit(archive: Archive, user: User, mails: Sequence[Sent], told: Sequence[tuple[int, str, bool]] = ()) -> None:
    """Store mail with its moments and threads, and changes of labels."""
    catalog = Catalog(archive.databases.shard_database(archive.control.shards()[user.shard_id]))
    catalog.open_mailbox(user.shard_id, user.user_id, user.email)
    catalog.save_labels(user.user_id, LABELS)
    lease = leases.acquire(catalog.engine, user.shard_id, "test", archive.backup.cluster, 60)
    rows = [
        {
            "user_id": user.user_id,
            "message_id": each.number,
            "thread_id": each.thread,
            "history_id": 1,
            "received_at": each.at,
            "labels": sorted(each.labels),
            "snippet": "",
            "raw": each.raw,
        }
        for each in mails
    ]
    manifest = index = None
    if rows:
        fetched = pa.Table.from_pylist(rows, schema=FETCHED)
        manifest, index = write_segment(archive.backup.archive, user.shard_id, lease.epoch, [fetched])
    last = {(number, label): on for number, label, on in told}
    made = tuple(LabelChange(user.user_id, number, label, on, 20) for (number, label), on in last.items())
    update = MailboxUpdate(user.user_id, Phase.CURRENT, 9, None, len(mails), synced=True)
    plan = Commit(user.shard_id, "test", lease.epoch, manifest, (update,), made)
    assert catalog.commit(plan, index)


def expected(mails: Sequence[Sent], tz: str) -> dict[str, Any]:
    """Every answer about these messages, by what follows PATH."""
    zone = f"tz={quote(tz, safe='')}"
    return {
        "overview": naive.overview(mails, LABELS),
        "senders?limit=100": {"items": naive.senders(mails)},
        "senders?limit=2": {"items": naive.senders(mails)[:2]},
        "recipients?limit=100": {"items": naive.recipients(mails)},
        "domains?limit=100": {"items": naive.domains(mails, "senders")},
        "domains?side=recipients&limit=100": {"items": naive.domains(mails, "recipients")},
        **{f"timeline?bucket={each}&{zone}": {"items": naive.timeline(mails, each, tz)} for each in BUCKETS},
        f"activity?{zone}": {"items": naive.activity(mails, tz)},
        "labels": {"items": naive.labels(mails, LABELS)},
        "storage?limit=3": naive.storage(mails, LABELS, 3),
        "threads": naive.threads(mails),
        "newsletters": {"items": naive.newsletters(mails)},
    }


@pytest.mark.timeout(300)
# An example takes a second: shrinking one would take minutes.
@settings(
    max_examples=8,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(sends, max_size=12),
    st.lists(sends, max_size=4),
    changes,
    st.lists(questions, min_size=2, max_size=3),
)
@example([], [], [], [Question()])
async def test_every_number_is_that_of_counting(
    client: httpx.AsyncClient,
    archive: Archive,
    early: list[Sent],
    late: list[Sent],
    told: list[tuple[int, str, bool]],
    asked: list[Question],
) -> None:
    user, key = archive.add_user(f"ann{len(archive.control.users())}@example.com")
    before, more = numbered(of(early, user.email), 1), numbered(of(late, user.email), 101)
    commit(archive, user, before)
    as_of = archive.synced_at(user)
    now = after([*before, *more], told)
    commit(archive, user, more, told)
    headers = await signed_in(client, key)
    for question in asked:
        first, last = question.span
        about = {"q": question.q, "from": first and first.isoformat(), "to": last and last.isoformat()}
        for mails, moment in ((now, None), (before, as_of)):
            params = {name: value for name, value in {**about, "as_of": moment}.items() if value}
            for path, answer in expected(naive.chosen(mails, question), question.tz).items():
                found = await client.get(
                    f"{PATH}/{path}{'&' if '?' in path else '?'}{httpx.QueryParams(params)}", headers=headers
                )
                assert found.status_code == 200, found.text
                assert naive.told(found.json()) == naive.told(answer), (path, params)


async def test_an_unknown_zone_and_too_many_buckets_are_named(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user(OWNER)
    made = Sent(1, 1, datetime(2000, 1, 1, tzinfo=UTC), frozenset(), ("", OWNER))
    commit(archive, user, [replace(made, number=n, at=made.at + timedelta(hours=n)) for n in range(1, 5002)])
    headers = await signed_in(client, key)
    for zone in ("Mars/Olympus", "localtime", "../../etc/passwd", "FOO+3"):
        for path in ("timeline", "activity"):
            answer = await client.get(f"{PATH}/{path}", params={"tz": zone}, headers=headers)
            assert (answer.status_code, answer.json().get("code")) == (400, "unknown_time_zone"), (zone, answer.text)
            assert zone in answer.json()["detail"]
    answer = await client.get(f"{PATH}/timeline", params={"bucket": "hour"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_buckets")
    to = (made.at + timedelta(hours=5001)).isoformat()
    answer = await client.get(f"{PATH}/timeline", params={"bucket": "hour", "to": to}, headers=headers)
    assert len(answer.json()["items"]) == 5000
    answer = await client.get(f"{PATH}/timeline", params={"q": '"'}, headers=headers)
    assert answer.status_code in (200, 400)


@pytest.mark.timeout(200)
@settings(
    max_examples=5,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.tuples(st.lists(sends, max_size=6), changes), min_size=1, max_size=3),
    st.tuples(st.none() | st.sampled_from(CORNERS), st.none() | st.sampled_from(CORNERS)),
)
async def test_an_operator_counts_all_mailboxes(
    new_stores: Callable[[], tuple[str, ...]],
    tmp_path_factory: pytest.TempPathFactory,
    boxes: list[tuple[list[Sent], list[tuple[int, str, bool]]]],
    days: tuple[datetime | None, datetime | None],
) -> None:
    archive = stores(new_stores, tmp_path_factory.mktemp("all"))
    async with client_of(archive) as http:
        _, key = archive.add_user("operator@example.com", "operator")
        headers = await signed_in(http, key)
        everything: list[Sent] = []
        sizes: list[int] = []
        for number, (made, told) in enumerate(boxes):
            user, _ = archive.add_user(f"ann{number}@example.com")
            own = numbered(made, 1)
            commit(archive, user, own)
            commit(archive, user, [], told)
            everything += after(own, told)
            sizes.append(len(own))
        span = tuple(at and at.replace(hour=0) for at in days)
        found = naive.chosen(everything, Question(span=(span[0], span[1])))
        params = {name: at.date().isoformat() for name, at in zip(("from", "to"), span, strict=True) if at}
        admin = "/api/v1/admin/analytics"
        told_all = (await http.get(f"{admin}/overview", params=params, headers=headers)).json()
        assert told_all.pop("years") == [
            {**each, **naive.states([mail for mail in found if mail.at.year == each["year"]])}
            for each in naive.years(found)
        ]
        assert told_all == {**naive.total(found), **naive.states(found)}
        for bucket in BUCKETS[1:]:
            answer = await http.get(f"{admin}/timeline", params={**params, "bucket": bucket}, headers=headers)
            assert naive.told(answer.json()) == naive.told({"items": naive.timeline(found, bucket, "UTC")})
        space = (await http.get(f"{admin}/storage", headers=headers)).json()
        assert (space["mailboxes"], space["messages"]) == (len(boxes), len(everything))
        assert space["size_bytes"] == sum(len(mail.raw) for mail in everything)
        classes = Counter(10 ** (len(str(size)) - 1) if size else 0 for size in sizes)
        assert {each["at_least"]: each["mailboxes"] for each in space["sizes"]} == classes
        assert sum(each["messages"] for each in space["shards"]) == len(everything)
        assert "example" not in str(space)
    archive.databases.close()
