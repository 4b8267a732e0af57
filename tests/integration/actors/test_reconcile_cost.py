"""What it costs to compare a mailbox of 100,000 messages with Gmail, and to mend it. Prints the figures (-s)."""

import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from actors.config import EvidenceConfig, PollConfig, ShardConfig
from actors.decisions import Mode
from actors.owner import ShardOwner
from cluster.simulator.process import start_simulator
from storage.db.engines import transaction
from storage.model.records import User
from tests.integration.actors.conftest import Cluster, Simulator, empty_cluster

pytestmark = [pytest.mark.slow, pytest.mark.alone]

_MESSAGES = 100_000
#: Units of a comparison per message, at most: a page of 500 ids costs 5, and each message is on a few labels' pages.
_UNITS_PER_MESSAGE = 0.1
_DEADLINE_S = 1800.0


@pytest.fixture
async def large(new_pair: Callable[[], tuple[str, ...]], tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster of one large mailbox, which nothing looks at unasked."""
    shard = ShardConfig(poll=PollConfig(enabled=False), evidence=EvidenceConfig(check_delay_s=0.3))
    with start_simulator([f"--generate={_MESSAGES}", "--users=1", "--quota-profile=unlimited"]) as url:
        async with empty_cluster(Simulator(url), new_pair, tmp_path, shard) as cluster:
            yield cluster


async def _sync(cluster: Cluster, owner: ShardOwner, user: User, mode: Mode) -> None:
    await owner.request(user, mode)
    await cluster.quiet(owner, user, _DEADLINE_S)


async def test_a_large_mailbox_is_compared_and_mended_for_few_units(large: Cluster) -> None:
    owner, _ = await large.owner()
    [user] = large.users
    await _sync(large, owner, user, Mode.FULL)
    before = large.reader(user).state()
    assert before is not None and before.messages == _MESSAGES
    with transaction(large.catalog.engine) as connection:  # labels of a thousandth are wrong
        connection.execute(text("UPDATE messages SET labels = '{STARRED}' WHERE message_id % 1000 = 0"))

    started = time.monotonic()
    await _sync(large, owner, user, Mode.RECONCILE)
    seconds = time.monotonic() - started

    after = large.reader(user).state()
    assert after is not None
    units = after.units - before.units
    sys.stdout.write(f"\n{_MESSAGES} messages compared for {units} units in {seconds:.1f} s\n")
    assert units < _UNITS_PER_MESSAGE * _MESSAGES
    held = large.simulator.held(user.email)
    with transaction(large.catalog.engine) as connection:
        rows = connection.execute(text("SELECT message_id, deleted_at, labels FROM messages")).all()
    wrong = [row[0] for row in rows if row[1] is not None or set(row[2]) != set(held[row[0]]["labels"])]
    assert len(rows) == _MESSAGES and not wrong
