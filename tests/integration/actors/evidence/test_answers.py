"""Answers of Gmail that are none, or are odd in one value, over HTTP: nothing is lost, and a person sees why."""

import asyncio

import pytest

from actors.decisions import Mode
from storage.control.wait_reasons import WaitReasons
from storage.model.records import Phase
from storage.model.wait_reasons import WaitKind
from tests.integration.actors.conftest import Cluster, until
from tests.integration.actors.evidence.conftest import EVIDENCE
from tests.integration.actors.evidence.doubts import (
    backed_up,
    deleted,
    deviate,
    events,
    mended,
    seen,
    seen_as,
    state,
    stored,
    sync,
    wrong,
)

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


async def test_a_grant_that_is_refused_once_is_tried_again_by_itself(doubted: Cluster) -> None:
    evidence = EVIDENCE.model_copy(update={"grant_retry_s": 3.0})
    shard = doubted.backup.shard.model_copy(update={"evidence": evidence})
    doubted.backup = doubted.backup.model_copy(update={"shard": shard})
    owner, user = await backed_up(doubted)
    doubted.simulator.ask(f"users/{user.email}/refuse-grant?times=1", b"{}")
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: later\r\n\r\nhello\r\n")
    await owner.request(user, Mode.INCREMENTAL)

    await seen(doubted, user, "grant")

    phase, error, failed, count = seen_as(doubted, owner, user)
    assert (phase, failed, count, deleted(doubted, user)) == (Phase.REVOKED, [], 0, set()), error
    status = owner.status(user.user_id)
    assert status is not None and status["error"] == error
    assert [kind for kind in events(doubted) if kind == "account.revoked"] == ["account.revoked"]

    async def came() -> bool:
        return await asyncio.to_thread(wrong, doubted, user) == {}

    await until(came)
    assert seen_as(doubted, owner, user) == (Phase.CURRENT, None, [], 0)
    assert mended(doubted) == {}


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
    # What stood where an id should stays recorded by name; nothing waits for another try.
    assert {failure.kind for failure in doubted.reader(user).failures(50)} == {"unreadable"}


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
