"""storage/fleet/senders.py, and a mailbox's own timeline: over an archive that no other test writes to."""

from datetime import UTC, datetime

from cluster.stores import Stores
from storage.fleet.senders import FleetSenders
from tests.integration.storage.factory import NOON, Mail, Shard

MAY, JUNE = datetime(NOON.year, NOON.month, 1, tzinfo=UTC), datetime(NOON.year, NOON.month + 1, 1, tzinfo=UTC)
EVE = "Eve <eve@example.com>"


def test_totals_are_over_all_users_and_a_timeline_over_one(stores: Stores, shard: Shard) -> None:
    user = stores.control.user("ann@example.com")
    bob = stores.control.add_user("bob@example.com")
    shard.catalog.open_mailbox(shard.shard_id, bob.user_id, bob.email)
    shard.store(
        bob.user_id, Mail(1, sender=EVE), Mail(2, sender=EVE), Mail(3, received_at=NOON.replace(month=JUNE.month))
    )

    everyone = FleetSenders(stores.databases, stores.blobs)

    assert [(row["month"], row["messages"]) for row in everyone.timeline()] == [(MAY, 4), (JUNE, 1)]
    assert [(row["month"], row["messages"]) for row in stores.reader(user).timeline()] == [(MAY, 2)]
    senders = [(row["sender"], row["messages"]) for row in everyone.top_senders(10)]
    assert senders == [("ann@example.com", 3), ("eve@example.com", 2)]
    assert [row["sender"] for row in everyone.top_senders(1)] == ["ann@example.com"]


def test_an_empty_archive_has_no_totals(stores: Stores) -> None:
    everyone = FleetSenders(stores.databases, stores.blobs)

    assert everyone.timeline() == everyone.top_senders(5) == []
