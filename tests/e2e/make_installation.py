"""Makes a small installation of this version, to be kept for the next: `python -m tests.e2e.make_installation OUT`.

OUT.tar.xz has a home's archive, sealing key, version, and a backup of its databases; OUT.json is what it must hold, as
the API gives it. The server's own files are left out: they are megabytes of PostgreSQL's. tests/e2e/installed keeps one
of each release; `gbm db restore` opens it.
"""

import json
import shutil
import sys
import tarfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cluster.settings import load
from cluster.stores import Stores, open_stores
from serve.auth.api_keys import new_key
from storage.catalog import leases
from storage.model.records import User
from storage.recovery.dump import back_up
from storage.recovery.rollup_writer import roll_up
from tests.conftest import private_home
from tests.e2e.installations import Api, Expected
from tests.e2e.plain_gateway import plain_gateway
from tests.integration.storage.factory import Mail, Shard, echo

_KEPT = ("archive", "backup", "cluster.id", "sealing.key", "version.json")
_ADDRESSES = ("ann@example.com", "bob@example.com")


def main(out: Path) -> None:
    """Make the two files."""
    home = private_home()
    try:
        moments, key = [], ""
        with open_stores(load(home=home)) as stores:
            users = [stores.control.add_user(address) for address in _ADDRESSES]
            for user in users:
                moments = _fill(stores, user)
            made = new_key()
            key = made.text.get_secret_value()
            stores.control.save_key(made.key_id, users[0].user_id, "owner", made.secret_hash, None)
            other = new_key()
            stores.control.save_key(other.key_id, users[1].user_id, "owner", other.secret_hash, None)
            back_up(stores.databases, home / "backup")
        keys = dict(zip(_ADDRESSES, (key, other.text.get_secret_value()), strict=True))
        with plain_gateway(home) as url:
            expected = _read(url, keys, moments)
        out.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{out}.json").write_text(json.dumps({**asdict(expected)}, indent=1, sort_keys=True) + "\n")
        with tarfile.open(f"{out}.tar.xz", "w:xz") as tar:
            for name in _KEPT:
                tar.add(home / name, f"gbm-installation/{name}")
    finally:
        shutil.rmtree(home)


def _fill(stores: Stores, user: User) -> list[str]:
    """Mail in three rounds, and labels that change; returns the moments after each."""
    engine = stores.catalog(user).engine
    stores.catalog(user).open_mailbox(user.shard_id, user.user_id, user.email)
    lease = leases.acquire(engine, user.shard_id, "owner", stores.config.cluster, 60)
    shard = Shard(engine, Path(stores.blobs.location("")), lease)
    moments = []
    for number in range(3):
        mails = [Mail(10 * number + n, subject=f"Round {number}, {n}", text="parrot " * n) for n in range(1, 6)]
        shard.store(user.user_id, *mails, analyse=echo)
        shard.change(user.user_id, (10 * number + 1, "STARRED", True))
        if number:
            shard.change(user.user_id, (10 * number - 9, "STARRED", False), (10 * number - 8, "\\Deleted", True))
        moments.append(datetime.now(UTC).isoformat())
    roll_up(engine, stores.blobs, lease)
    leases.release(engine, lease)
    return moments


def _read(url: str, keys: dict[str, str], moments: list[str]) -> Expected:
    now, as_of = {}, {moment: {} for moment in moments}
    for email, key in keys.items():
        with Api(url, key) as api:
            now[email] = api.messages()
            for moment in moments:
                as_of[moment][email] = api.messages(moment)
    return Expected(keys[_ADDRESSES[0]], now, as_of)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
