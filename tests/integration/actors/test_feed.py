"""The feed of a mailbox that a real owner backs up: every change of its mail, in order."""

from actors.decisions import Mode
from storage.events.log import UserEvents
from storage.events.stored_event import StoredEvent
from storage.model.message_id import to_hex
from tests.integration.actors.conftest import Cluster, Simulator


async def test_a_backup_reports_its_course_and_then_every_change(cluster: Cluster, simulator: Simulator) -> None:
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    feed = UserEvents(user.user_id, user.shard_id, cluster.catalog.engine, 30)
    await owner.request(user, Mode.FULL)
    await cluster.quiet(owner, user)
    first = feed.page(feed.start(), None, 1000)
    relabelled, deleted = list(simulator.held(user.email))[:2]
    new = simulator.ask(f"users/{user.email}/messages", b"Subject: just in\r\n\r\nhello\r\n")
    simulator.act(user.email, f"messages/{relabelled:x}/labels", add=["STARRED"], remove=["UNREAD"])
    simulator.act(user.email, f"messages/{deleted:x}/delete")
    await owner.request(user, Mode.INCREMENTAL)
    await cluster.quiet(owner, user)
    then = feed.page(first.cursor, None, 1000)

    held = {to_hex(message_id) for message_id in simulator.held(user.email)} | {to_hex(deleted)}
    assert {*received(first.items)} == held - {new["id"]}
    assert len(received(first.items)) == len(held) - 1
    kinds = [event.type for event in first.items]
    assert kinds.count("email.sync.started") == 1
    assert first.items[kinds.index("email.sync.started")].data == {"mode": "full"}
    assert kinds.index("email.sync.started") < kinds.index("email.received")
    if "email.sync.progress" in kinds:  # a listing that one commit completes has none
        assert kinds.index("email.received") < kinds.index("email.sync.progress")
    assert kinds.index("email.received") < kinds.index("email.sync.completed")

    assert received(then.items) == [new["id"]]
    assert [event.data["ids"] for event in then.items if event.type == "email.deleted"] == [[to_hex(deleted)]]
    changes = [change for event in then.items if event.type == "email.relabelled" for change in event.data["changes"]]
    starred = next(change for change in changes if change["id"] == to_hex(relabelled))
    assert "STARRED" in starred["added"]
    assert then.items[-1].type == "email.sync.completed"


def received(events: list[StoredEvent]) -> list[str]:
    return [one for event in events if event.type == "email.received" for one in event.data["ids"]]
