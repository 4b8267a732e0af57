"""A Gmail that answers wrongly with status 200, over real HTTP: what a person sees meanwhile, and the archive after."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from actors.config import EvidenceConfig, PollConfig, RetryConfig, ShardConfig
from actors.decisions import Mode
from actors.owner import ShardOwner
from cluster.simulator.process import start_simulator
from serve.mail.models import EmailDocument
from storage.analytics.correspondence import Correspondence
from storage.control.wait_reasons import WaitReasons
from storage.db.engines import transaction
from storage.files.kept_answers import KeptAnswers
from storage.model.records import MailboxRecord, Phase, User
from storage.model.storable import storable_id
from storage.model.wait_reasons import WaitKind
from tests.integration.actors.conftest import Cluster, Simulator, empty_cluster, until

_EVIDENCE = EvidenceConfig(check_delay_s=0.3, gone_after_s=3600.0, suspect_s=3600.0, grant_again_s=0.3)


@pytest.fixture
async def doubted(
    new_database: Callable[[], str], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Cluster]:
    """A cluster of two small mailboxes at a simulator of its own, which nothing looks at unasked.

    Its parameter: seconds of the first pause after a failed call; by default short, as few tests are about pauses.
    """
    shard = ShardConfig(
        poll=PollConfig(enabled=False),
        retry=RetryConfig(first_delay_s=getattr(request, "param", 0.05), filed_delay_s=900.0),
        evidence=_EVIDENCE,
        fetch_size=10,
    )
    with start_simulator(["--generate=80", "--users=2", "--quota-profile=unlimited"]) as url:
        async with empty_cluster(Simulator(url), new_database, tmp_path, shard, segment_age_s=0.1) as cluster:
            yield cluster


def deviate(cluster: Cluster, *rules: dict[str, Any]) -> None:
    """Have Gmail's answers deviate by these rules alone."""
    cluster.simulator.ask("deviations", orjson.dumps({"rules": rules}))


def state(cluster: Cluster, user: User) -> MailboxRecord:
    found = cluster.reader(user).state()
    assert found is not None
    return found


def stored(cluster: Cluster, user: User) -> dict[int, tuple[bool, frozenset[str]]]:
    """Message -> (deleted, labels), as the archive has it."""
    with transaction(cluster.catalog.engine) as connection:
        rows = connection.execute(
            text("SELECT message_id, deleted_at IS NOT NULL, labels FROM messages WHERE user_id = :user_id"),
            {"user_id": user.user_id},
        )
        return {row[0]: (row[1], frozenset(row[2])) for row in rows}


def wrong(cluster: Cluster, user: User) -> dict[int, object]:
    """Where the archive differs from Gmail: bytes, labels, and deletions."""
    held, mine = cluster.simulator.held(user.email), stored(cluster, user)
    found: dict[int, object] = dict(cluster.differences(user))
    for message_id, (deleted, labels) in mine.items():
        if deleted != (message_id not in held):
            found[message_id] = f"deleted: {deleted}"
        elif not deleted and labels != {storable_id(label) for label in held[message_id]["labels"]}:
            found[message_id] = labels
    return found


def mended_events(cluster: Cluster) -> list[dict[str, int]]:
    with transaction(cluster.catalog.engine) as connection:
        return list(connection.execute(text("SELECT data FROM outbox WHERE type = 'mailbox.mended'")).scalars())


def deleted(cluster: Cluster, user: User) -> set[int]:
    return {message_id for message_id, (gone, _) in stored(cluster, user).items() if gone}


async def sync(cluster: Cluster, owner: ShardOwner, user: User, mode: Mode = Mode.INCREMENTAL) -> None:
    await owner.request(user, mode)
    await cluster.quiet(owner, user)


async def backed_up(cluster: Cluster) -> tuple[ShardOwner, User]:
    """Everything of the first mailbox, stored."""
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    await sync(cluster, owner, user, Mode.FULL)
    assert wrong(cluster, user) == {}
    return owner, user


async def seen(cluster: Cluster, user: User, said: str) -> None:
    """Wait until the mailbox's error says this."""

    async def says() -> bool:
        found = await asyncio.to_thread(cluster.reader(user).state)
        return found is not None and said in (found.error or "")

    await until(says)


#: Answers that are none, and what a person reads of each.
NOTHING = [("empty", "cannot be read"), ("error-object", "cannot be read"), ("portal", "cannot be read")]


@pytest.mark.parametrize("method", ["messages.list", "labels.list", "labels.get", "getProfile", "history.list"])
@pytest.mark.parametrize(("kind", "said"), NOTHING)
async def test_an_answer_of_nothing_after_expired_history_deletes_nothing(
    doubted: Cluster, method: str, kind: str, said: str
) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.act(user.email, "expire-history")
    deviate(doubted, {"kind": kind, "method": method, "email": user.email, "times": 2})

    await sync(doubted, owner, user)

    assert deleted(doubted, user) == set()
    assert wrong(doubted, user) == {}
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)


@pytest.mark.parametrize(("kind", "said"), NOTHING)
async def test_while_nothing_is_answered_the_mailbox_says_so(doubted: Cluster, kind: str, said: str) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.act(user.email, "expire-history")
    deviate(doubted, {"kind": kind, "method": "messages.list", "times": None})
    await owner.request(user, Mode.INCREMENTAL)

    await seen(doubted, user, said)

    assert state(doubted, user).phase is Phase.RECONCILE
    assert deleted(doubted, user) == set()
    deviate(doubted)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}


@pytest.mark.parametrize("method", ["messages.list", "getProfile", "labels.list"])
async def test_a_first_backfill_waits_for_a_real_answer(doubted: Cluster, method: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "empty", "method": method, "times": None})
    await owner.request(user, Mode.FULL)
    await seen(doubted, user, "cannot be read")
    assert (state(doubted, user).phase, state(doubted, user).synced_at) == (Phase.FULL, None)
    deviate(doubted)

    await doubted.quiet(owner, user)

    assert wrong(doubted, user) == {}
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)
    assert state(doubted, user).messages == len(doubted.simulator.held(user.email)) > 30


async def test_a_listing_that_leaves_ids_out_is_told_and_read_again(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    ids = [f"{key:x}" for key in list(doubted.simulator.held(user.email))[:7]]
    deviate(doubted, {"kind": "set", "method": "getProfile", "path": "messagesTotal", "value": 1000, "times": None})
    await owner.request(user, Mode.FULL)
    await seen(doubted, user, "listing disagrees: 1000 by the profile")
    assert state(doubted, user).phase is Phase.FULL
    await owner.stop_mailbox(user.user_id)
    await doubted.quiet(owner, user)
    deviate(doubted, {"kind": "omit", "method": "messages.list", "ids": ids, "times": 1})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)


async def test_a_reconciliation_whose_listing_leaves_ids_out_deletes_none(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    ids = [f"{key:x}" for key in list(doubted.simulator.held(user.email))[:7]]
    # Twice the same: a second listing agrees, so that only the messages' own answers speak for them.
    deviate(doubted, {"kind": "omit", "method": "messages.list", "label": "", "ids": ids, "times": None})

    await sync(doubted, owner, user, Mode.RECONCILE)

    assert deleted(doubted, user) == set()
    deviate(doubted)
    await sync(doubted, owner, user, Mode.RECONCILE)
    assert wrong(doubted, user) == {}


async def test_pages_that_shift_while_mail_is_deleted_lose_nothing(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    last = f"{list(doubted.simulator.held(user.email))[-1]:x}"
    deviate(doubted, {"kind": "omit", "method": "messages.list", "label": "", "ids": [last], "times": 1})
    await owner.request(user, Mode.FULL)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}


async def test_a_message_that_is_not_found_once_is_asked_for_again(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "not-found", "method": "messages.get", "each": True})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}


async def test_a_message_that_stays_not_found_is_filed_with_its_reason(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    lost = next(iter(doubted.simulator.held(user.email)))
    deviate(doubted, {"kind": "not-found", "method": "messages.get", "ids": [f"{lost:x}"], "times": None})

    await sync(doubted, owner, user, Mode.FULL)

    [item] = await asyncio.to_thread(doubted.catalog.failed, user.shard_id)
    assert item.message_id == lost and "answers that it has none of that id (404)" in item.error
    assert wrong(doubted, user) == {lost: "missing"}
    deviate(doubted)
    await owner.retry_failed(user)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}


async def test_history_that_lags_behind_its_own_id_is_read_again(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    starred, gone, *_ = doubted.simulator.held(user.email)
    doubted.simulator.act(user.email, "lag")
    for number in range(5):
        doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late %d\r\n\r\nhello\r\n" % number)
    doubted.simulator.act(user.email, f"messages/{starred:x}/labels", add=["STARRED"], remove=["UNREAD"])
    doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
    await sync(doubted, owner, user)
    assert wrong(doubted, user) != {}, "it is not told yet"
    deviate(doubted)

    await sync(doubted, owner, user)

    assert wrong(doubted, user) == {}


async def test_a_next_owner_reads_what_lagged_for_the_one_before(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.act(user.email, "lag")
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late\r\n\r\nhello\r\n")
    await sync(doubted, owner, user)
    await owner.close()
    deviate(doubted)
    owner, _ = await doubted.owner()

    await sync(doubted, owner, user)

    assert wrong(doubted, user) == {}


@pytest.mark.parametrize("label", ["Label\0_1", "L\ud83d", "\\Deleted", "a\x1fb"])
async def test_a_label_that_no_store_can_hold_costs_nobody_anything(doubted: Cluster, label: str) -> None:
    owner, _ = await doubted.owner()
    user, neighbour = doubted.users
    chosen = f"{next(iter(doubted.simulator.held(user.email))):x}"
    value = orjson.loads(orjson.dumps([label])) if label != "L\ud83d" else ["L?"]
    deviate(
        doubted,
        {"kind": "set", "method": "messages.get", "ids": [chosen], "path": "labelIds", "value": value, "times": 1},
        {"kind": "set", "method": "labels.list", "path": "labels.15.name", "value": "N\0", "times": None},
    )

    for each in (user, neighbour):
        await owner.request(each, Mode.FULL)
    for each in (user, neighbour):
        await doubted.quiet(owner, each)

    assert owner.failure is None
    assert stored(doubted, user)[int(chosen, 16)] == (False, frozenset({storable_id(value[0])}))
    assert wrong(doubted, neighbour) == {}
    deviate(doubted)
    await sync(doubted, owner, user, Mode.RECONCILE)
    assert wrong(doubted, user) == {}


async def test_a_date_beyond_the_calendar_costs_nothing_but_a_defect(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen = next(iter(doubted.simulator.held(user.email)))
    date = {"path": "internalDate", "value": "253402300800000", "times": 1}
    deviate(doubted, {"kind": "set", "method": "messages.get", "ids": [f"{chosen:x}"], **date})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}
    found = doubted.reader(user).email(chosen)
    assert found is not None and found.summary.date.year == 9999
    [damaged] = [
        one for one in doubted.reader(user).defective(500) if "internal-date:253402300800000" in one["defects"]
    ]
    assert int(damaged["id"], 16) == chosen


@pytest.mark.parametrize("path", ["threadId", "internalDate", "historyId", "raw", "id"])
async def test_a_field_that_is_missing_files_the_message_with_its_reason(doubted: Cluster, path: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen = next(iter(doubted.simulator.held(user.email)))
    rule = {"kind": "missing", "method": "messages.get", "ids": [f"{chosen:x}"], "path": path, "times": None}
    deviate(doubted, rule)

    await sync(doubted, owner, user, Mode.FULL)

    [item] = await asyncio.to_thread(doubted.catalog.failed, user.shard_id)
    assert (item.message_id, path in item.error) == (chosen, True)
    assert wrong(doubted, user) == {chosen: "missing"}
    status = owner.status(user.user_id)
    assert status is not None and status["failed"] == 1
    reader, kept = doubted.reader(user), KeptAnswers(doubted.blobs)
    [failure] = reader.failures(10)
    received = reader.received(chosen)
    assert received is not None and failure.received_bytes == kept.size(user.user_id, chosen)
    document = orjson.loads(received)
    assert path not in document and len(document) >= 7, "what was received is kept as it was"
    deviate(doubted)
    await owner.retry_failed(user)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}

    async def forgotten() -> bool:
        return reader.received(chosen) is None

    await until(forgotten)
    assert reader.failures(10) == []


async def _calls(cluster: Cluster) -> int:
    stats = await asyncio.to_thread(cluster.simulator.ask, "stats")
    return sum(stats["answered"].values())


@pytest.mark.parametrize("method", ["messages.list", "history.list"])
@pytest.mark.parametrize("kind", ["loop", "endless"])
@pytest.mark.parametrize("doubted", [1.0], indirect=True, ids=["default-pauses"])
async def test_page_tokens_that_never_end_cost_few_calls_and_are_told(doubted: Cluster, method: str, kind: str) -> None:
    owner, user = await backed_up(doubted)
    deviate(doubted, {"kind": kind, "method": method, "times": None})
    await owner.request(user, Mode.FULL if method == "messages.list" else Mode.INCREMENTAL)
    await seen(doubted, user, "repeats a page token or never ends")
    before = await _calls(doubted)

    await asyncio.sleep(3)  # what is asked for in a while

    bound = 450 if kind == "endless" else 12  # an endless one is found out by its length
    assert await _calls(doubted) - before < bound
    deviate(doubted)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}
    assert state(doubted, user).error is None


@pytest.mark.parametrize("kind", ["raw-empty", "raw-cut"])
async def test_bytes_that_are_cut_once_are_fetched_whole(doubted: Cluster, kind: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": kind, "method": "messages.get", "each": True})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}


async def test_labels_keep_up_with_their_names(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    chosen = next(iter(doubted.simulator.held(user.email)))
    doubted.simulator.act(user.email, "labels/Label_77", name="Brand new")
    doubted.simulator.act(user.email, f"messages/{chosen:x}/labels", add=["Label_77"])

    await sync(doubted, owner, user)

    names = {label.id: label.name for label in doubted.reader(user).labels()}
    assert names["Label_77"] == "Brand new"


async def test_a_grant_that_is_refused_once_is_tried_again_by_itself(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.ask(f"users/{user.email}/refuse-grant?times=1", b"{}")
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: later\r\n\r\nhello\r\n")
    await owner.request(user, Mode.INCREMENTAL)

    async def came() -> bool:
        return await asyncio.to_thread(wrong, doubted, user) == {}

    await until(came)
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)


async def test_an_id_that_does_not_round_trip_is_recorded_by_name(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    rule = {"kind": "set", "method": "messages.list", "path": "messages.3.id", "value": "00ab", "times": None}
    deviate(doubted, rule)

    await sync(doubted, owner, user, Mode.FULL)

    with transaction(doubted.catalog.engine) as connection:
        rows = connection.execute(text("SELECT item, found_in FROM unreadable_items")).all()
    assert [tuple(row) for row in rows] == [("00ab", "messages.list")]
    assert len(wrong(doubted, user)) == 1, "all others are stored"


async def test_mail_that_counts_as_deleted_and_is_seen_lives_again(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    chosen = next(iter(doubted.simulator.held(user.email)))
    with transaction(doubted.catalog.engine) as connection:
        connection.execute(text("UPDATE messages SET deleted_at = now() WHERE message_id = :key"), {"key": chosen})

    await sync(doubted, owner, user, Mode.RECONCILE)

    assert wrong(doubted, user) == {}
    assert [event["revived"] for event in mended_events(doubted)] == [1]


async def test_a_real_deletion_outside_history_takes_two_404s(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    gone = next(iter(doubted.simulator.held(user.email)))
    doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
    doubted.simulator.act(user.email, "expire-history")

    await sync(doubted, owner, user)
    assert deleted(doubted, user) == set(), "one 404 is not enough"

    async def is_deleted() -> bool:
        return await asyncio.to_thread(deleted, doubted, user) == {gone}

    await until(is_deleted)
    assert wrong(doubted, user) == {}


NOT_ANSWERS = ["no-content", "redirect", "gzip-broken", "gzip", "array"]


@pytest.mark.parametrize("method", ["messages.list", "messages.get", "labels.get", "getProfile", "history.list"])
@pytest.mark.parametrize("kind", NOT_ANSWERS)
async def test_what_is_no_answer_loses_nothing(doubted: Cluster, method: str, kind: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": kind, "method": method, "email": user.email, "times": 2})

    await sync(doubted, owner, user, Mode.FULL)
    await sync(doubted, owner, user, Mode.RECONCILE)

    assert deleted(doubted, user) == set()
    assert wrong(doubted, user) == {}
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)


@pytest.mark.parametrize(
    ("method", "refusal"),
    [
        ("history.list", [404, "notFound"]),
        ("history.list", [400, "invalidArgument"]),
        ("labels.get", [404, "notFound"]),
        ("messages.list", [404, "notFound"]),
        ("messages.list", [401, "authError"]),
        ("messages.get", [401, "authError"]),
        ("getProfile", [403, "domainPolicy"]),
        ("messages.list", [403, "domainPolicy"]),
    ],
)
async def test_a_call_that_is_refused_a_few_times_loses_nothing(
    doubted: Cluster, method: str, refusal: list[object]
) -> None:
    owner, user = await backed_up(doubted)
    for _ in range(2):
        deviate(doubted, {"kind": "refuse", "method": method, "email": user.email, "value": refusal, "times": 3})
        await sync(doubted, owner, user, Mode.RECONCILE)
        assert deleted(doubted, user) == set()

    deviate(doubted)
    await sync(doubted, owner, user)
    assert wrong(doubted, user) == {}
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)


async def test_a_label_that_is_said_not_to_exist_keeps_its_messages_while_it_is_listed(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    gone = {"kind": "refuse", "value": [404, "notFound"], "times": None}
    deviate(doubted, {**gone, "method": "messages.list", "label": "INBOX"}, {**gone, "method": "labels.get"})
    await owner.request(user, Mode.RECONCILE)
    await seen(doubted, user, "labels.get does not know the label")

    assert wrong(doubted, user) == {}
    deviate(doubted)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}


@pytest.mark.parametrize("far", ["999999999999999", "9223372036854775807"])
@pytest.mark.parametrize("method", ["messages.get", "history.list", "getProfile"])
async def test_a_history_id_from_the_future_makes_nothing_later_look_old(
    doubted: Cluster, method: str, far: str
) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    rule = {"kind": "set", "method": method, "email": user.email, "path": "historyId", "value": far}
    deviate(doubted, {**rule, "each": method == "messages.get"})
    await sync(doubted, owner, user, Mode.FULL)
    assert wrong(doubted, user) == {}
    starred, gone, *_ = doubted.simulator.held(user.email)
    doubted.simulator.act(user.email, f"messages/{starred:x}/labels", add=["STARRED"], remove=["UNREAD"])
    doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
    deviate(doubted, rule)

    await sync(doubted, owner, user)

    assert wrong(doubted, user) == {}
    assert (state(doubted, user).cursor or 0) < 10**12


async def test_history_that_is_never_there_costs_few_listings(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    deviate(doubted, {"kind": "refuse", "method": "history.list", "value": [404, "notFound"], "times": None})
    await owner.request(user, Mode.INCREMENTAL)
    await asyncio.sleep(3)  # two listings fit in
    before = await _calls(doubted)

    await asyncio.sleep(3)

    assert await _calls(doubted) - before < 5
    assert deleted(doubted, user) == set() and wrong(doubted, user) == {}


@pytest.mark.parametrize("value", ["INBOX", {"INBOX": True}, None])
async def test_labels_that_are_no_list_are_never_taken_for_labels(doubted: Cluster, value: object) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "set", "method": "messages.get", "path": "labelIds", "value": value, "each": True})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}


async def test_a_label_that_is_renamed_is_called_so_within_the_time_for_labels(doubted: Cluster) -> None:
    evidence = _EVIDENCE.model_copy(update={"labels_every_s": 0.2})
    shard = doubted.backup.shard.model_copy(update={"evidence": evidence})
    doubted.backup = doubted.backup.model_copy(update={"shard": shard})
    doubted.simulator.act(doubted.users[0].email, "labels/Label_77", name="Old name")
    owner, user = await backed_up(doubted)
    doubted.simulator.act(user.email, "labels/Label_77", name="New name")
    await asyncio.sleep(0.2)

    await sync(doubted, owner, user)

    assert {label.id: label.name for label in doubted.reader(user).labels()}["Label_77"] == "New name"


@pytest.mark.parametrize(
    "rule", [{"kind": "set", "path": "expiration", "value": "1"}, {"kind": "missing", "path": "expiration"}]
)
async def test_a_watch_that_has_expired_is_not_renewed_at_once(doubted: Cluster, rule: dict[str, Any]) -> None:
    poll = PollConfig(shortest_s=0.3, longest_s=0.6, topic="projects/p/topics/t")
    shard = doubted.backup.shard.model_copy(update={"poll": poll})
    doubted.backup = doubted.backup.model_copy(update={"shard": shard})
    deviate(doubted, {"method": "watch", "times": None, **rule})
    _, user = await backed_up(doubted)

    async def watches() -> int:
        return int((await asyncio.to_thread(doubted.simulator.ask, "stats"))["answered"].get("watch", 0))

    async def is_watched() -> bool:
        return await watches() >= 1

    await until(is_watched)
    await asyncio.sleep(2)  # several polls

    assert await watches() == 1
    assert (state(doubted, user).error, wrong(doubted, user)) == (None, {})


def threads(cluster: Cluster, user: User) -> dict[int, str]:
    """Message -> its thread, as the message index has it."""
    with transaction(cluster.catalog.engine) as connection:
        rows = connection.execute(
            text("SELECT message_id, to_hex(thread_id) FROM messages WHERE user_id = :user_id"),
            {"user_id": user.user_id},
        )
        return {row[0]: row[1] for row in rows}


async def test_a_wrong_thread_is_mended_by_a_comparison_for_every_reader(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen = next(iter(doubted.simulator.held(user.email)))
    rule = {"kind": "set", "method": "messages.get", "path": "threadId", "value": "abc"}
    deviate(doubted, {**rule, "ids": [f"{chosen:x}"], "times": 1})
    await sync(doubted, owner, user, Mode.FULL)
    moment = datetime.now(UTC)
    assert threads(doubted, user)[chosen] == "abc"

    await sync(doubted, owner, user, Mode.RECONCILE)
    deviate(doubted, {"kind": "set", "method": "messages.list", "path": "messages.3.threadId", "value": "bad"})
    await sync(doubted, owner, user, Mode.RECONCILE)

    right = {key: found["thread"] for key, found in doubted.simulator.held(user.email).items()}
    assert threads(doubted, user) == right, "the wrong one is mended, and a listing that is wrong once mends nothing"
    reader, thread_id = doubted.reader(user), int(right[chosen], 16)
    assert reader.conversations.thread_of(chosen) == reader.conversations.thread_of(chosen, moment) == thread_id
    assert f"{chosen:x}" in {item.id for item in reader.conversations.thread(thread_id).items}
    assert reader.conversations.thread(0xABC).items == ()
    assert "abc" not in {row["id"] for row in Correspondence(reader.counting()).longest(100)}
    [event] = mended_events(doubted)
    assert event["threads"] == 1
    rows = reader.views.table("messages", ["id", "thread_id"], 1 << 30).to_pylist()
    assert {int(row["id"], 16): row["thread_id"] for row in rows} == right


async def test_a_thread_that_history_names_otherwise_is_asked_of_the_message_itself(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late\r\n\r\nhello\r\n")
    deviate(doubted, {"kind": "set", "method": "messages.get", "path": "threadId", "value": "abc", "times": 1})
    await sync(doubted, owner, user)
    assert "abc" in threads(doubted, user).values()

    await sync(doubted, owner, user)

    assert threads(doubted, user) == {key: found["thread"] for key, found in doubted.simulator.held(user.email).items()}
    assert [event["threads"] for event in mended_events(doubted)] == [1]


async def test_classification_labels_are_stored_and_read_as_gmail_gave_them(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen, other, *_ = doubted.simulator.held(user.email)
    values = [{"labelId": "secret", "fields": [{"fieldId": "f1", "selection": "Höchste"}, {"fieldId": "f2"}]}]
    doubted.simulator.act(user.email, f"messages/{chosen:x}/classification", values=values)
    deviate(
        doubted,
        {
            "kind": "set",
            "method": "messages.get",
            "ids": [f"{other:x}"],
            "path": "classificationLabelValues",
            "value": 7,
        },
    )

    await sync(doubted, owner, user, Mode.FULL)

    reader = doubted.reader(user)
    found, plain = reader.email(chosen), reader.email(other)
    assert found is not None and plain is not None and plain.classification == ""
    assert orjson.loads(found.classification) == values
    assert EmailDocument.whole(found).classification_labels == values
    before = datetime.now(UTC) - timedelta(hours=1)
    selected = [one for batch in reader.select("", datetime.now(UTC), True, 50) for one in batch]
    exported = {one.message_id: one.classification for one in selected}
    assert {key: text for key, text in exported.items() if text} == {chosen: found.classification}
    assert reader.email(chosen, before) is None
    assert reader.views.table("label_events", None, 1 << 30).num_rows == 0
    assert [change.put_on for change in reader.changes(before, datetime.now(UTC)).items if change.put_on] == []
    assert wrong(doubted, user) == {}
    await sync(doubted, owner, user, Mode.RECONCILE)
    assert mended_events(doubted) == []


#: One odd value of each, in answers whose shape is right otherwise: (method, path, value).
ODD: list[tuple[str, str, object]] = [
    ("getProfile", "historyId", "0"),
    ("getProfile", "messagesTotal", "12 messages"),
    ("getProfile", "messagesTotal", -1),
    ("labels.get", "messagesTotal", None),
    ("labels.get", "id", 7),
    ("labels.list", "labels", {"INBOX": {}}),
    ("labels.list", "labels.3", "INBOX"),
    ("messages.list", "messages.2.id", 1234),
    ("messages.list", "messages.2", None),
    ("messages.list", "nextPageToken", 17),
    ("messages.list", "resultSizeEstimate", "many"),
    ("messages.list", "messages.1.threadId", ["a"]),
    ("history.list", "historyId", "1.5"),
    ("history.list", "history", "none"),
    ("history.list", "history.0.id", True),
    ("messages.get", "labelIds", ["INBOX", 7]),
    ("messages.get", "internalDate", "yesterday"),
    ("messages.get", "sizeEstimate", "-5"),
    ("messages.get", "snippet", {"text": "x"}),
    ("messages.get", "threadId", "0xabc"),
    ("messages.get", "raw", "====" * 30),
    ("messages.get", "historyId", -12),
]


@pytest.mark.slow
async def test_odd_values_of_every_call_leave_nothing_behind(doubted: Cluster) -> None:
    """In one cluster, one after another, each beside new mail, a new label and a deletion."""
    owner, user = await backed_up(doubted)
    for number, (method, path, value) in enumerate(ODD):
        starred, gone, *_ = list(doubted.simulator.held(user.email))[number:]
        doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: odd %d\r\n\r\nhello\r\n" % number)
        doubted.simulator.act(user.email, f"messages/{starred:x}/labels", add=["STARRED"], remove=["UNREAD"])
        if number % 4 == 0:
            doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
        deviate(doubted, {"kind": "set", "method": method, "path": path, "value": value, "times": 2})

        await sync(doubted, owner, user)
        await sync(doubted, owner, user, Mode.RECONCILE)

        assert deleted(doubted, user) <= set(stored(doubted, user)) - set(doubted.simulator.held(user.email)), path
        deviate(doubted)
        await owner.retry_failed(user)
        await doubted.quiet(owner, user)
        assert (wrong(doubted, user), (method, path)) == ({}, (method, path))
        assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)
    assert doubted.reader(user).failures(10) == []


@pytest.mark.parametrize("method", ["messages.get", "messages.list", "history.list"])
async def test_wrong_threads_in_every_answer_are_right_after_one_comparison(doubted: Cluster, method: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "thread", "method": method, "times": None})
    await sync(doubted, owner, user, Mode.FULL)
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late\r\n\r\nhello\r\n")
    await sync(doubted, owner, user)
    deviate(doubted)

    await sync(doubted, owner, user, Mode.RECONCILE)

    assert threads(doubted, user) == {key: found["thread"] for key, found in doubted.simulator.held(user.email).items()}
    assert wrong(doubted, user) == {}


async def test_what_holds_a_mailbox_back_is_stored_by_its_kind_while_it_lasts(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    reasons = WaitReasons(doubted.databases.control)

    def kinds() -> set[WaitKind]:
        return {reason.kind for reason in reasons.all() if reason.user_id == user.user_id and str(reason)}

    for rule, kind in (
        ({"kind": "refuse", "value": [403, "domainPolicy"]}, WaitKind.GMAIL_REFUSED),
        ({"kind": "refuse", "value": [429, "userRateLimitExceeded"]}, WaitKind.GMAIL_THROTTLED),
        ({"kind": "refuse", "value": [503, "backendError"]}, WaitKind.GMAIL_UNREACHABLE),
        ({"kind": "empty"}, WaitKind.GMAIL_UNREADABLE),
    ):
        deviate(doubted, {**rule, "method": "messages.list", "times": None})
        await owner.request(user, Mode.RECONCILE)

        async def told(kind: WaitKind = kind) -> bool:
            return kind in await asyncio.to_thread(kinds)

        await until(told)
        status = owner.status(user.user_id)
        assert status is not None and kind.value in {wait["kind"] for wait in status["waits"]}
        deviate(doubted)
        await doubted.quiet(owner, user)

        async def over() -> bool:
            return not await asyncio.to_thread(kinds)

        await until(over)
    assert wrong(doubted, user) == {}
