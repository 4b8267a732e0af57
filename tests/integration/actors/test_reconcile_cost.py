"""What it costs to compare a mailbox of 100,000 messages with Gmail, and to mend it. Prints the figures (-s)."""

import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from actors.config import BackupConfig, EvidenceConfig, PollConfig, ShardConfig
from actors.decisions import Mode
from actors.owner import ShardOwner
from cluster.simulator.process import start_simulator
from jobs.gmail.config import GmailConfig
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key
from storage.db.engines import transaction
from storage.model.records import User
from tests.integration.actors.conftest import Cluster, Simulator, until

pytestmark = [pytest.mark.slow, pytest.mark.alone]

_MESSAGES = 100_000
#: Units of a comparison per message, at most: a page of 500 ids costs 5, and each message is on a few labels' pages.
_UNITS_PER_MESSAGE = 0.1
_DEADLINE_S = 1800.0


@pytest.fixture
async def large(new_database: Callable[[], str], tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster of one large mailbox, which nothing looks at unasked."""
    dsns = [SecretStr(new_database()) for _ in range(2)]
    with start_simulator([f"--generate={_MESSAGES}", "--users=1", "--quota-profile=unlimited"]) as url:
        backup = BackupConfig(
            cluster="test",
            gmail=GmailConfig(endpoint=url, token_uri=f"{url}/token", quota_profile="unlimited"),
            shard=ShardConfig(poll=PollConfig(enabled=False), evidence=EvidenceConfig(check_delay_s=0.3)),
            archive=ArchiveConfig(uri=f"file://{tmp_path}/archive"),
            postgres=PostgresConfig(control_dsn=dsns[0], shard_dsns=(dsns[1],)),
            sealing_key=SecretStr(new_key()),
        )
        cluster = Cluster(Simulator(url), backup)
        yield cluster
        for owner in cluster.owners:
            await owner.close()
        await until(cluster.unused)
        cluster.databases.close()


async def _sync(cluster: Cluster, owner: ShardOwner, user: User, mode: Mode) -> None:
    await owner.request(user, mode)

    async def over() -> bool:
        assert owner.failure is None
        status = owner.status(user.user_id)
        return status is not None and not status["active"]

    await until(over, _DEADLINE_S)
    await cluster.quiet(owner, user)


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
