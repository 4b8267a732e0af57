"""What people have installed goes on working: installations of earlier versions are opened, read, synced on."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from cluster.upgrade.home_version import HomeNewer, HomeVersion, refuse_newer
from storage.db import migrate
from storage.embedded_postgres.embedded import EmbeddedPostgres
from tests.e2e import installations
from tests.e2e.installations import FIRST_VERSION, UPGRADE, Expected, assert_holds, keys_of
from tests.e2e.known_gmail import known_gmail, mail_of
from tests.e2e.later_release import LaterRelease
from tests.e2e.plain_gateway import plain_gateway
from tests.e2e.processes import environment, gbm, left_running, wait_for
from tests.planted_migrations import PLANTED

pytestmark = pytest.mark.slow

_KEPT = sorted((Path(__file__).parent / "installed").glob("*.tar.xz"))
_ABSENT = pytest.mark.skipif(not FIRST_VERSION.exists(), reason=f"the first version's installation is not at {UPGRADE}")


@pytest.fixture(
    params=[
        pytest.param(FIRST_VERSION, marks=_ABSENT, id="first"),
        *(pytest.param(path, id=path.name.removesuffix(".tar.xz")) for path in _KEPT),
    ]
)
def installed(request: pytest.FixtureRequest, home: Path) -> tuple[Path, Expected]:
    """The home of an installation of an earlier version, and what it holds."""
    root = installations.unpack(request.param, home)
    if request.param == FIRST_VERSION:
        return root, Expected.read(UPGRADE / "expected.json")
    restored = gbm("db", "restore", str(root / "backup"), env=environment(root))
    assert restored.returncode == 0, restored.stderr
    return root, Expected.read(Path(str(request.param).replace(".tar.xz", ".json")))


@pytest.mark.timeout(600)
def test_an_earlier_versions_installation_is_read_whole(installed: tuple[Path, Expected]) -> None:
    root, expected = installed
    with plain_gateway(root) as url:
        assert_holds(expected, url, keys_of(expected, environment(root)))


@pytest.mark.timeout(900)
def test_an_earlier_versions_installation_is_synced_on_by_a_cluster(
    installed: tuple[Path, Expected], tmp_path: Path
) -> None:
    root, expected = installed
    with ExitStack() as ended:
        env = environment(root)
        ended.callback(gbm, "down", env=env)
        url = installations.up(env)
        keys = keys_of(expected, env)
        assert_holds(expected, url, keys)
        mail = mail_of(url, keys, expected)
        installations.down(env)

        gmail = ended.enter_context(known_gmail(mail, expected, history_id=1_000_000))
        env |= gmail.env
        url = installations.up(env)
        for email in expected.now:
            grant = tmp_path / f"{email}.json"
            grant.write_bytes(gmail.grant(email))
            added = gbm("accounts", "add", email, "--authorized-user", str(grant), env=env)
            assert added.returncode == 0, added.stderr
        installations.sync(env)
        assert gmail.gets() == 0, "no stored message is fetched again"
        assert_holds(expected, url, keys)

        first = next(iter(expected.now))
        changed = gmail.change(first)
        installations.sync(env)
        assert gmail.gets() == 1, "the new message is fetched, and no other"
        assert_holds(expected, url, keys, now=False)
        with installations.Api(url, keys[first]) as api:
            assert api.messages() == changed
        installations.down(env)
    wait_for(lambda: not left_running(root), f"still running: {left_running(root)}")


@pytest.mark.timeout(900)
def test_an_upgrade_killed_20_times_ends_the_same_and_goes_back(
    installed: tuple[Path, Expected], tmp_path: Path
) -> None:
    root, expected = installed
    env, chance = environment(root), random.Random(20)
    keys = keys_of(expected, env)
    release, kills, held = LaterRelease(tmp_path / "migrations"), 0, Counter[bool]()
    with EmbeddedPostgres(root / "postgres"):  # stays between the kills, so that each start is quick
        while kills < 20:
            kills += release.killed(env, chance.uniform(0, 1.5))
            version = HomeVersion.read(root)
            begun = version.under_way is not None
            if not begun and PLANTED[-1] in version.databases.values():  # it ended first: back by the copy, and again
                _go_back(release, root, env)
            held[begun] += 1
            with pytest.raises(HomeNewer) if begun else nullcontext():
                refuse_newer(root, migrate.newest_revisions())
        assert held[True] >= 3, f"kills within migrations: {held}"
        if HomeVersion.read(root).under_way is None:
            assert release.run("upgrade", env=env).returncode == 0
        refused = gbm("keys", "list", env=env)
        assert (refused.returncode, "was upgraded by" in " ".join(refused.stderr.split())) == (1, True)
        done = release.run("upgrade", env=env)
        assert done.returncode == 0, done.stderr
    with release.here(), plain_gateway(root) as url:
        assert_holds(expected, url, keys)

    _go_back(release, root, env)
    with plain_gateway(root) as url:
        assert_holds(expected, url, keys)


def _go_back(release: LaterRelease, root: Path, env: Mapping[str, str]) -> None:
    name = max(path.name for path in (root / "copies").iterdir() if path.name.startswith("before-"))
    done = release.run("upgrade", "--undo", name, "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["archive_is_same"], "nothing was backed up meanwhile"
