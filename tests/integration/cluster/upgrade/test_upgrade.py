"""A home is upgraded with a copy to go back by, and an older program refuses it without touching a byte."""

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from cluster.home import Home
from cluster.upgrade.check import check
from cluster.upgrade.database_copy import CopyTooLarge, DatabaseCopies
from cluster.upgrade.home_version import HomeNewer, HomeVersion, HomeVersionDamaged
from cluster.upgrade.undoing import undo
from cluster.upgrade.upgrade import UndoUnfinished, alone, is_under_way, upgrading
from storage.control.nodes import Node, Nodes
from storage.db import migrate
from storage.recovery.backup_manifest import BackupUnusable
from storage.recovery.dump import back_up, restore
from tests.integration.cluster.conftest import gbm
from tests.integration.cluster.upgrade.conftest import Installation, everything
from tests.planted_migrations import PLANTED


def upgrade(installation: Installation, **chosen: object) -> list[str]:
    told: list[str] = []
    settings = installation.with_upgrade(**chosen)
    with upgrading(settings, installation.home, installation.databases, told.append):
        migrate.upgrade(installation.databases, 2, told.append)
    return told


def copies(installation: Installation) -> DatabaseCopies:
    return DatabaseCopies(installation.home.root / "copies")


def test_the_databases_are_copied_before_the_first_migration_and_each_migration_is_told(
    installation: Installation, be_later: Callable[[], None]
) -> None:
    before = migrate.revisions(installation.databases)
    be_later()

    told = upgrade(installation)

    [copy] = copies(installation).all()
    assert copy.revisions == before
    assert copy.path.stat().st_mode & 0o077 == 0
    assert set(migrate.revisions(installation.databases).values()) == {PLANTED[-1]}
    assert [line for line in told if "done" in line] == [
        f"{label}: migration {revision} done ({number} of 2)"
        for label in ("control database", "shard database 1 of 2", "shard database 2 of 2")
        for number, revision in enumerate(PLANTED, 1)
    ]
    assert HomeVersion.read(installation.home.root).under_way is None
    assert upgrade(installation) == ["control database", "shard database 1 of 2", "shard database 2 of 2"]
    assert len(copies(installation).all()) == 1, "nothing is copied when nothing is migrated"


def test_nothing_is_copied_when_the_operator_has_a_copy(
    installation: Installation, be_later: Callable[[], None]
) -> None:
    be_later()
    upgrade(installation, copy_databases=False)
    assert copies(installation).all() == []
    assert set(migrate.revisions(installation.databases).values()) == {PLANTED[-1]}


def test_a_disk_that_is_too_small_for_the_copy_is_told_with_the_figures_and_nothing_changes(
    installation: Installation, be_later: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, version = everything(installation.databases), HomeVersion.read(installation.home.root)
    usage = shutil.disk_usage(installation.home.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=12_345))
    be_later()

    with pytest.raises(CopyTooLarge, match="12,345 are free") as refused:
        upgrade(installation)

    assert refused.value.needed_bytes > 100_000
    assert f"{refused.value.needed_bytes:,} bytes" in str(refused.value)
    assert everything(installation.databases) == before
    assert HomeVersion.read(installation.home.root) == version
    assert copies(installation).all() == []


def test_copies_are_removed_after_their_time(installation: Installation, be_later: Callable[[], None]) -> None:
    be_later()
    upgrade(installation)
    [copy] = copies(installation).all()
    assert copies(installation).remove_older(30, datetime.now(UTC) + timedelta(days=29)) == []
    assert copy.path.exists()

    told = upgrade(installation, keep_days=0)

    assert copies(installation).all() == []
    assert not copy.path.exists()
    assert any(copy.path.name in line for line in told)


def test_going_back_by_the_copy_gives_the_older_release_its_home_again(
    installation: Installation, be_later: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, version = everything(installation.databases), HomeVersion.read(installation.home.root)
    with monkeypatch.context():
        be_later()
        upgrade(installation)
        [copy] = copies(installation).all()
        assert everything(installation.databases) != before

        _, same = undo(installation.settings, installation.home, installation.databases, copy.path.name, lambda _: None)

    assert same
    assert everything(installation.databases) == before
    assert HomeVersion.read(installation.home.root) == version


def test_an_archive_that_is_newer_than_the_copy_is_told_and_no_owner_begins(
    installation: Installation, be_later: Callable[[], None]
) -> None:
    be_later()
    upgrade(installation)
    [copy] = copies(installation).all()
    (installation.home.archive / "0000" / "00000009-new.parquet").write_bytes(b"a segment of afterwards")

    _, same = undo(installation.settings, installation.home, installation.databases, str(copy.path), lambda _: None)

    assert not same


def test_an_undoing_that_was_killed_is_gone_on_with_before_anything_else(
    installation: Installation, be_later: Callable[[], None]
) -> None:
    before = everything(installation.databases)
    be_later()
    upgrade(installation)
    [copy] = copies(installation).all()

    def killed(line: str) -> None:
        if line.startswith("shard1"):
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        undo(installation.settings, installation.home, installation.databases, copy.path.name, killed)
    with pytest.raises(UndoUnfinished, match="--undo"):
        upgrade(installation)
    undo(installation.settings, installation.home, installation.databases, copy.path.name, lambda _: None)

    assert everything(installation.databases) == before


def test_a_backup_of_an_older_release_is_restored_and_migrated(
    installation: Installation, be_later: Callable[[], None], tmp_path: Path
) -> None:
    back_up(installation.databases, tmp_path / "backup")
    be_later()
    upgrade(installation, copy_databases=False)
    migrated = everything(installation.databases)

    restore(installation.databases, tmp_path / "backup")

    assert everything(installation.databases) == migrated


def test_a_backup_of_a_newer_release_is_refused_by_its_revision(
    installation: Installation, be_later: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    be_later()
    upgrade(installation, copy_databases=False)
    back_up(installation.databases, tmp_path / "backup")
    held = everything(installation.databases)
    monkeypatch.undo()
    migrate._revisions.cache_clear()

    with pytest.raises(BackupUnusable, match=f"has the revision {PLANTED[-1]}, newer than this release's"):
        restore(installation.databases, tmp_path / "backup")
    assert everything(installation.databases) == held


def test_a_check_tells_what_would_be_done_and_does_nothing(
    installation: Installation, be_later: Callable[[], None]
) -> None:
    be_later()
    before = everything(installation.databases)

    found = check(installation.settings, installation.home, installation.databases)

    assert found.is_needed and found.seconds > 0 and found.copy_bytes
    assert [(one.name, one.steps) for one in found.databases] == [
        (name, PLANTED) for name in ("control", "shard0", "shard1")
    ]
    assert everything(installation.databases) == before
    upgrade(installation)
    after = check(installation.settings, installation.home, installation.databases)
    assert (after.is_needed, after.copy_bytes, len(after.copies)) == (False, None, 1)


def test_a_check_tells_which_processes_work_on_the_archive_and_what_they_write(installation: Installation) -> None:
    older = Node("older", "owner", "0.2.0", {"raw": 1, "messages": 1})
    Nodes(installation.databases.control).announce(older, 60)

    found = check(installation.settings, installation.home, installation.databases)

    assert found.nodes == (older,)
    assert found.as_json()["formats"] == {"messages": 1, "raw": 1}


def test_an_upgrade_under_way_is_seen_from_beside(home: Path) -> None:
    place = Home(home)
    place.prepare()
    assert not is_under_way(place)
    with alone(place, lambda _: None):
        assert is_under_way(place)
    assert not is_under_way(place)


@pytest.mark.parametrize("newer", [{"archive": 2}, {"settings": 2}, {"databases": {"control": "9999"}}])
@pytest.mark.parametrize("command", [["keys", "list"], ["up"], ["up", "--foreground"], ["db", "upgrade"], ["upgrade"]])
def test_a_newer_home_is_refused_by_name_without_touching_a_byte(
    home: Path, newer: dict[str, object], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = HomeVersion("99.1.0").as_document() | newer
    (home / "version.json").write_bytes(orjson.dumps(document))
    (home / "postgres").mkdir(mode=0o711)
    home.chmod(0o701)
    monkeypatch.setenv("GBM_HOME", str(home))
    before = _tree(home)

    refused = gbm(*command)

    assert refused.exit_code == 1
    assert "was upgraded by gbm 99.1.0" in " ".join(refused.stderr.split())
    assert _tree(home) == before


def _tree(home: Path) -> dict[str, tuple[object, ...]]:
    """Every file and folder: mode, time of change, content."""
    return {
        str(path): (
            (status := path.lstat()).st_mode,
            status.st_mtime_ns,
            status.st_ctime_ns,
            hashlib.sha256(path.read_bytes()).digest()
            if path.is_file()
            else sorted(child.name for child in path.iterdir()),
        )
        for path in [home, *home.rglob("*")]
    }


def test_a_home_of_the_first_version_says_so_and_a_damaged_version_is_named(home: Path) -> None:
    assert HomeVersion.read(home) == HomeVersion("0.1.0")
    (home / "version.json").write_text("{")
    with pytest.raises(HomeVersionDamaged, match=r"version\.json"):
        HomeVersion.read(home)


@pytest.mark.parametrize("error", [HomeNewer("h", "1", "archive", "2", "1")])
def test_a_refusal_says_that_nothing_was_changed(error: HomeNewer) -> None:
    assert "Nothing was changed" in str(error)
