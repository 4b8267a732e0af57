"""Readers of a shard that moves: none errs, none sees less than another saw before."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from serve.mail.readers import Mailboxes
from storage.catalog import leases
from storage.catalog.leases import LeaseLost, ShardMoving
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.control.principal import Principal
from storage.db import migrate
from storage.db.engines import Databases
from storage.errors import BackupError
from storage.files.blobs import LocalBlobs
from storage.moving.move import Mover
from tests.integration.storage.factory import Mail, Shard


@pytest.mark.slow
def test_readers_of_two_processes_never_go_back_while_a_shard_moves(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    dsns = tuple(SecretStr(new_database()) for _ in range(2))
    databases = Databases(PostgresConfig(control_dsn=SecretStr(new_database()), shard_dsns=dsns), "readers")
    migrate.upgrade(databases, shards=1)
    control, blobs = Control(databases.control), LocalBlobs(tmp_path)
    user = control.add_user("ann@example.com")
    engine = databases.shard_database(0)
    shard = Shard(engine, tmp_path, leases.acquire(engine, 0, "first", "cluster", 60))
    shard.catalog.open_mailbox(0, user.user_id, user.email)
    shard.store(user.user_id, Mail(1))
    principal = Principal(user.user_id, user.email, 0, "owner")
    ended, failures, looks = threading.Event(), list[object](), [0]

    def read() -> None:
        replicas, seen = [Mailboxes(databases, control, blobs) for _ in range(2)], 0
        while not ended.is_set():
            for replica in replicas:
                try:
                    items = replica.reader(principal).emails(limit=500).items
                except BackupError as exc:
                    failures.append(exc)
                    return
                if len(items) < seen:
                    failures.append((len(items), seen))
                    return
                seen, looks[0] = len(items), looks[0] + 1

    def write() -> None:
        place, number = 0, 2
        owner: Shard | None = shard
        while not ended.is_set():
            try:
                if owner is None:
                    place = control.shards()[0]
                    there = databases.shard_database(place)
                    owner = Shard(there, tmp_path, leases.acquire(there, 0, "next", "cluster", 60))
                owner.store(user.user_id, Mail(number))
                number += 1
                if place == 1:
                    written.append(number)
            except (LeaseLost, ShardMoving):
                owner = None
                ended.wait(0.05)
            ended.wait(0.02)

    written: list[int] = []
    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    try:
        Mover(databases, "cluster").move(0, 1)
        while len(written) < 20 and all(thread.is_alive() for thread in threads):
            threads[0].join(0.05)
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
    Mover(databases, "cluster").clean(0.0)

    assert failures == []
    assert looks[0] > 10
    assert len(Mailboxes(databases, control, blobs).reader(principal).emails(limit=500).items) == written[-1] - 1
    databases.close()
