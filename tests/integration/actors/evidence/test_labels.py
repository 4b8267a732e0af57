"""Labels that are odd, renamed, denied or no list, and classification labels, over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import text

from actors.decisions import Mode
from serve.mail.models import EmailDocument
from storage.db.engines import transaction
from storage.model.storable import storable_id
from tests.integration.actors.conftest import Cluster
from tests.integration.actors.evidence.conftest import EVIDENCE
from tests.integration.actors.evidence.doubts import backed_up, deviate, mended_events, seen, stored, sync, wrong


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


async def test_labels_keep_up_with_their_names(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    chosen = next(iter(doubted.simulator.held(user.email)))
    doubted.simulator.act(user.email, "labels/Label_77", name="Brand new")
    doubted.simulator.act(user.email, f"messages/{chosen:x}/labels", add=["Label_77"])

    await sync(doubted, owner, user)

    names = {label.id: label.name for label in doubted.reader(user).labels()}
    assert names["Label_77"] == "Brand new"


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


@pytest.mark.parametrize("value", ["INBOX", {"INBOX": True}, None])
async def test_labels_that_are_no_list_are_never_taken_for_labels(doubted: Cluster, value: object) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "set", "method": "messages.get", "path": "labelIds", "value": value, "each": True})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}


async def test_a_label_that_is_renamed_is_called_so_within_the_time_for_labels(doubted: Cluster) -> None:
    evidence = EVIDENCE.model_copy(update={"labels_every_s": 0.2})
    shard = doubted.backup.shard.model_copy(update={"evidence": evidence})
    doubted.backup = doubted.backup.model_copy(update={"shard": shard})
    doubted.simulator.act(doubted.users[0].email, "labels/Label_77", name="Old name")
    owner, user = await backed_up(doubted)
    doubted.simulator.act(user.email, "labels/Label_77", name="New name")
    await asyncio.sleep(0.2)

    await sync(doubted, owner, user)

    assert {label.id: label.name for label in doubted.reader(user).labels()}["Label_77"] == "New name"
    with transaction(doubted.catalog.engine) as connection:
        former = connection.execute(text("SELECT name FROM label_history WHERE label_id = 'Label_77'")).scalars().all()
    assert former == ["Old name"]


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
