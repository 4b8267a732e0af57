"""The previous release's own program works on an archive that this one migrated and writes, and the other way round.

Its source is taken from the repository's history; where that is absent the tests are skipped.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from actors.decisions import Mode
from storage.model.records import Phase, User
from tests.integration.actors.conftest import Cluster

#: The commit that 0.1.0 was made of.
_COMMIT = "38770a1b9786af1890277d00d33b7c6c5dea3281"
_ROOT = Path(__file__).parents[3]
#: An owner of that release takes the shard, brings a mailbox up to date, and reads all of it.
_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from pydantic import SecretStr
from actors.config import BackupConfig, ShardConfig
from actors.decisions import Mode
from jobs.gmail.config import GmailConfig
from storage.config import ArchiveConfig, PostgresConfig
from tests.integration.actors.conftest import Cluster, Simulator

async def main(asked):
    url, (control, *shards) = asked["url"], map(SecretStr, asked["dsns"])
    backup = BackupConfig(
        cluster="test",
        gmail=GmailConfig(endpoint=url, token_uri=url + "/token", quota_profile="unlimited"),
        shard=ShardConfig(lease_s=1.5, fetch_size=10),
        archive=ArchiveConfig(uri=asked["archive"], segment_age_s=0.2),
        postgres=PostgresConfig(control_dsn=control, shard_dsns=tuple(shards)),
        sealing_key=SecretStr(asked["sealing_key"]),
    )
    cluster = Cluster(Simulator(url), backup)
    user = next(user for user in cluster.users if user.email == asked["email"])
    owner, swept = await cluster.owner()
    await owner.request(user, Mode.INCREMENTAL)
    await cluster.quiet(owner, user)
    read = {f"{id:x}": len(cluster.reader(user).raw(id)) for id in cluster.simulator.held(user.email)}
    listed, after = [], None
    while True:
        page = cluster.reader(user).emails(limit=100, after=after)
        listed += [email.id for email in page.items]
        if (after := page.next) is None:
            break
    wrong = {f"{id:x}": why for id, why in cluster.differences(user).items()}
    print(json.dumps({"phase": cluster.phase(user).value, "wrong": wrong, "swept": swept, "read": read,
        "listed": listed, "file": __import__("actors").__file__}))
    await owner.close()

asyncio.run(main(json.load(sys.stdin)))
"""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the previous release."""
    found = subprocess.run(["git", "archive", _COMMIT], cwd=_ROOT, capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("the repository's history is absent, and with it the previous release's source")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


async def as_previous(source: Path, cluster: Cluster, user: User) -> dict[str, Any]:
    """What an owner of the previous release finds and reads, after it brought a mailbox up to date."""
    key, postgres = cluster.backup.sealing_key, cluster.backup.postgres
    assert key is not None and postgres.control_dsn is not None
    asked = {
        "url": cluster.simulator.url,
        "dsns": [dsn.get_secret_value() for dsn in (postgres.control_dsn, *postgres.shard_dsns)],
        "archive": cluster.backup.archive.uri,
        "sealing_key": key.get_secret_value(),
        "email": user.email,
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source)},
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert Path(found["file"]).is_relative_to(source), "its own program ran"
    return found


def arrive(cluster: Cluster, user: User, subject: str) -> None:
    cluster.simulator.ask(f"users/{user.email}/messages", f"Subject: {subject}\r\n\r\nhello\r\n".encode())


async def synced(cluster: Cluster, user: User) -> None:
    """Bring a mailbox up to date with an owner of this release."""
    owner, _ = await cluster.owner()
    await owner.request(user, Mode.INCREMENTAL)
    await cluster.quiet(owner, user)
    await owner.close()


def assert_whole(cluster: Cluster, user: User, found: dict[str, Any]) -> None:
    held = {f"{key:x}": value["size"] for key, value in cluster.simulator.held(user.email).items()}
    assert (found["phase"], found["wrong"], found["swept"]) == ("current", {}, [])
    assert found["read"] == held
    assert len(found["listed"]) == len({*found["listed"]})


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_owners_of_both_releases_take_turns_on_a_mailbox(cluster: Cluster, previous: Path) -> None:
    user = cluster.users[0]
    await synced(cluster, user)
    assert cluster.differences(user) == {}

    arrive(cluster, user, "for the previous release")
    assert_whole(cluster, user, await as_previous(previous, cluster, user))
    assert cluster.differences(user) == {}, "this release reads what that one wrote"

    arrive(cluster, user, "for this release")
    await synced(cluster, user)
    assert (cluster.phase(user), cluster.differences(user)) == (Phase.CURRENT, {})
    assert_whole(cluster, user, await as_previous(previous, cluster, user))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_mailbox_that_the_previous_release_backed_up_whole_goes_on_here(
    cluster: Cluster, previous: Path
) -> None:
    user = cluster.users[1]
    assert_whole(cluster, user, await as_previous(previous, cluster, user))
    assert cluster.differences(user) == {}
    before = cluster.simulator.ask("stats")["gets"]

    arrive(cluster, user, "for this release")
    await synced(cluster, user)

    assert (cluster.phase(user), cluster.differences(user)) == (Phase.CURRENT, {})
    assert cluster.simulator.ask("stats")["gets"] - before == 1, "no stored message is fetched again"
