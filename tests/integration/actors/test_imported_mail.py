"""Imported mail beside Gmail's: nothing that was imported is fetched, and nothing of it counts as deleted."""

import asyncio
from pathlib import Path

import pybase64
import pytest

from actors.decisions import Mode
from cluster.mail_import import import_mail
from storage.model.message_id import to_hex
from tests.integration.actors.conftest import Cluster, Simulator
from tests.integration.actors.test_restore import Bench


@pytest.fixture
async def bench(cluster: Cluster, tmp_path: Path) -> Bench:
    owner, _ = await cluster.owner()
    return Bench(cluster, owner, tmp_path / "home")


async def test_a_takeout_is_not_fetched_again_and_mail_from_elsewhere_stays(
    bench: Bench, simulator: Simulator, tmp_path: Path
) -> None:
    user = bench.cluster.users[0]
    bench.cluster.catalog.open_mailbox(user.shard_id, user.user_id, user.email)
    held = simulator.held(user.email)
    chosen = sorted(held)[::2]
    with (tmp_path / "All.mbox").open("wb") as file:
        for message_id in chosen:
            answer = bench.gmail(user, "GET", f"messages/{to_hex(message_id)}?format=raw")
            raw = pybase64.urlsafe_b64decode(answer["raw"] + "=" * (-len(answer["raw"]) % 4))
            file.write(f"From {message_id}@xxx Mon Jan 05 10:00:00 +0000 2026\nX-Gmail-Labels: Inbox\n".encode())
            file.write(raw.replace(b"\nFrom ", b"\n>From ") + b"\n\n")
    (tmp_path / "elsewhere.eml").write_bytes(b"Subject: from elsewhere\r\nMessage-ID: <else@where>\r\n\r\nHello\r\n")
    done = await asyncio.to_thread(import_mail, bench.stores, user, tmp_path / "All.mbox", lambda _: None)
    reader = bench.cluster.reader(user)
    imported = {each.message_id for batch in reader.select("", reader.present(), True, 1000) for each in batch}
    other = await asyncio.to_thread(import_mail, bench.stores, user, tmp_path / "elsewhere.eml", lambda _: None)
    assert other.stored == 1
    assert done.position == len(chosen)
    assert imported == set(chosen)

    await bench.sync(user, Mode.FULL)
    fetched = bench.owner.measures()["committed_messages_total"]
    await bench.sync(user, Mode.RECONCILE)

    assert fetched == len(held) - len(imported), "what was imported is not fetched"
    there = {each.message_id: each for batch in reader.select("", reader.present(), True, 1000) for each in batch}
    assert set(held) <= there.keys()
    assert {key: set(there[key].labels) for key in held} == {key: set(held[key]["labels"]) for key in held}
    [beside] = there.keys() - held.keys()
    assert beside < 0
    assert there[beside].deleted_at is None, "no listing of Gmail's has it"
