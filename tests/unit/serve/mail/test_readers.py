"""serve/mail/readers.py"""

from pathlib import Path

import pytest
from pydantic import SecretStr

from serve.mail.readers import Mailboxes, UnknownShard
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.control.principal import Principal
from storage.db.engines import Databases
from storage.files.blobs import LocalBlobs
from tests.unit.serve.fakes import ANN, Clock


class Shards(Control):
    """Shards and their databases, in memory."""

    def __init__(self, shards: dict[int, int]) -> None:
        self.known, self.reads = shards, 0

    def shards(self) -> dict[int, int]:
        self.reads += 1
        return dict(self.known)


@pytest.fixture
def databases() -> Databases:
    """Two shard databases that nobody connects to."""
    return Databases(PostgresConfig(control_dsn=SecretStr("postgresql://nobody@localhost/none")))


def test_where_shards_are_is_read_now_and_then(databases: Databases, tmp_path: Path) -> None:
    control, clock = Shards({0: 0}), Clock()
    mailboxes = Mailboxes(databases, control, LocalBlobs(tmp_path), clock=clock)

    mailboxes.reader(ANN)
    mailboxes.reader(ANN)
    assert control.reads == 1

    clock.now += 11
    mailboxes.reader(ANN)
    assert control.reads == 2


def test_a_new_shard_is_found_at_once(databases: Databases, tmp_path: Path) -> None:
    control = Shards({0: 0})
    mailboxes = Mailboxes(databases, control, LocalBlobs(tmp_path), clock=Clock())
    mailboxes.reader(ANN)

    control.known[1] = 1

    assert mailboxes.reader(Principal(2, "bob@example.com", 1, "owner"))


@pytest.mark.parametrize("shards", [{}, {0: 7}])
def test_a_shard_without_a_database_is_unknown(databases: Databases, tmp_path: Path, shards: dict[int, int]) -> None:
    mailboxes = Mailboxes(databases, Shards(shards), LocalBlobs(tmp_path), clock=Clock())

    with pytest.raises(UnknownShard):
        mailboxes.reader(ANN)
