"""Reads over two real standbys: never half a commit, never older than a token, whatever is paused or killed."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from storage.catalog import leases
from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases, DatabaseUnreachable, Source, transaction
from storage.db.migrate import create_database
from storage.errors import BackupError
from storage.failpoints import FailPoint, watching
from storage.mailbox.segment_files import retry_on_missing_file
from storage.reader import MailboxReader
from storage.replication.routing import ReadSession, ReplicaLost, Replicas
from storage.replication.session_token import SessionToken
from tests.conftest import memory_home
from tests.integration.storage.factory import Mail, Shard
from tests.integration.storage.standbys import Server, standby_of


@dataclass
class Trio:
    """A primary, its standbys, and the stores over them."""

    primary: Server
    standbys: list[Server]
    databases: Databases
    replicas: Replicas
    shard: Shard

    def check_until(self, state: Callable[[list[bool]], bool]) -> list[bool]:
        """Look at the replicas until their being ready is as wanted."""
        while True:
            self.replicas.check()
            found = [each.ready for each in self.replicas.health()]
            if state(found):
                return found

    def reader(self, user: int, sight: ReadSession, primary_only: bool = False) -> MailboxReader:
        return MailboxReader(user, self.replicas.source(0, sight, primary_only), self.shard.blobs)

    def token(self, user: int) -> SessionToken:
        """What a client holds that has seen the primary as it is."""
        sight = ReadSession()
        self.reader(user, sight, primary_only=True).state()
        return SessionToken.decode(sight.seen.encode())

    def serves(self, sight: ReadSession, shard_id: int | None = None) -> str:
        """Who answers: "standby" or "primary"."""
        with transaction(self.replicas.source(0, sight, shard_id=shard_id)) as connection:
            standby = connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
        return "standby" if standby else "primary"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    """The primary with its schemas, and two standbys."""
    home = memory_home()
    made = [Server(home / "primary")]
    for name in ("control", "shard"):
        create_database(made[0].dsn(name))
    try:
        made += [standby_of(made[0], home / f"standby{number}") for number in (0, 1)]
        yield made
    finally:
        for server in reversed(made):
            server.server.close()
        shutil.rmtree(home)


@pytest.fixture
def trio(servers: list[Server], tmp_path: Path) -> Iterator[Trio]:
    """All three, in order and in rotation."""
    primary, *standbys = servers
    config = PostgresConfig(
        control_dsn=SecretStr(primary.dsn("control")),
        shard_dsns=(SecretStr(primary.dsn("shard")),),
        shard_replica_dsns=(tuple(SecretStr(each.dsn("shard")) for each in standbys),),
        replica_check_s=0.2,
        replica_lag_s=3600,
        pool_size=8,
    )
    databases = Databases(config)
    migrate.upgrade(databases, shards=1)
    made = Trio(primary, standbys, databases, Replicas(databases), Shard(databases.shard_database(0), tmp_path))
    made.check_until(all)
    yield made
    for each in standbys:
        each.resume()
    made.replicas.close()
    databases.close()


def ids(reader: MailboxReader) -> list[str]:
    return [each.id for each in reader.emails().items]


def test_a_shard_that_has_just_arrived_is_read_from_the_primary_until_a_replica_has_it(trio: Trio) -> None:
    shard_id, user = trio.shard.shard_id, trio.shard.user()
    engine = trio.databases.shard_database(0)
    opening = text("UPDATE leases SET cluster = :cluster WHERE shard_id = :shard_id")
    with transaction(engine) as connection:
        connection.execute(opening, {"cluster": leases.ARRIVING, "shard_id": shard_id})
    arriving = ReadSession(trio.token(user))
    while [trio.serves(arriving) for _ in trio.standbys] != ["standby", "standby"]:  # they take turns
        trio.replicas.check()

    for standby in trio.standbys:
        standby.pause()
    with transaction(engine) as connection:
        connection.execute(opening, {"cluster": "cluster", "shard_id": shard_id})
    assert (trio.serves(ReadSession()), trio.serves(ReadSession(), shard_id)) == ("standby", "primary")

    for standby in trio.standbys:
        standby.resume()
    opened = ReadSession(trio.token(user))
    while trio.serves(opened, shard_id) != "standby":
        trio.replicas.check()


def test_a_reader_with_a_token_sees_its_commit_whoever_answers(trio: Trio) -> None:
    user = trio.shard.user()
    for number in range(1, 9):
        trio.shard.store(user, Mail(number))
        sight = ReadSession(trio.token(user))
        assert len(ids(trio.reader(user, sight))) == number


def test_reads_are_spread_over_the_standbys_and_a_paused_one_yields_to_who_has_seen_more(trio: Trio) -> None:
    user = trio.shard.user()
    assert trio.serves(ReadSession()) == "standby"
    for each in trio.standbys:
        each.pause()
    before = trio.token(user)
    trio.shard.store(user, Mail(1))
    after = trio.token(user)

    assert trio.serves(ReadSession(after)) == "primary"
    assert ids(trio.reader(user, ReadSession(after))) == ["1"]
    assert ids(trio.reader(user, ReadSession())) == []  # who asks for nothing may see the past, whole
    assert before != after

    for each in trio.standbys:
        each.resume()
    while trio.serves(ReadSession(after)) != "standby":
        pass


def test_a_token_of_another_timeline_or_that_knows_not_this_server_is_served_by_the_primary(trio: Trio) -> None:
    [mark] = trio.token(trio.shard.user()).positions
    for system, timeline in ((mark.system, 7), (mark.system + 1, 1)):
        strange = SessionToken.of([type(mark)(system, timeline, 1)])
        assert trio.serves(ReadSession(strange)) == "primary"


def test_a_standby_that_is_killed_leaves_and_returns_by_itself(trio: Trio) -> None:
    user = trio.shard.user()
    trio.shard.store(user, Mail(1))
    sight = ReadSession(trio.token(user))
    trio.standbys[0].kill()
    try:
        for _ in range(4):
            assert ids(trio.reader(user, sight)) == ["1"]
        assert [each.ready for each in trio.replicas.health()] == [False, True]
        assert "unreachable" in trio.replicas.health()[0].state
    finally:
        trio.standbys[0].restart()
    trio.check_until(all)


def test_a_read_that_a_standby_breaks_off_is_answered_by_the_primary(trio: Trio) -> None:
    source, times = trio.replicas.source(0, ReadSession()), count()

    def ask() -> bool:
        with transaction(source) as connection:
            standby = bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one())
            if next(times) == 0:
                assert standby
                pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                for each in trio.standbys:
                    each.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {pid}")
                connection.execute(text("SELECT 1"))
            return standby

    assert retry_on_missing_file(ask) is False
    assert [each.ready for each in trio.replicas.health()].count(False) == 1


def test_the_primary_named_as_its_own_replica_is_not_read(trio: Trio) -> None:
    config = trio.databases.config.model_copy(
        update={"shard_replica_dsns": ((SecretStr(trio.primary.dsn("shard") + "&application_name=x"),),)}
    )
    databases = Databases(config)
    replicas = Replicas(databases)
    replicas.check()
    assert replicas.health()[0].state == "not a replica: the primary itself, or promoted"
    replicas.close()
    databases.close()


@pytest.mark.parametrize("point", [FailPoint.COMMIT_RECORDED, FailPoint.COMMIT_INDEXED, FailPoint.COMMIT_FOLDED])
def test_the_primary_killed_in_the_middle_of_a_commit_leaves_no_half_of_it(trio: Trio, point: FailPoint) -> None:
    user = trio.shard.user()
    trio.shard.store(user, Mail(1))
    sight = ReadSession(trio.token(user))
    while trio.serves(ReadSession(sight.required)) != "standby":
        pass
    manifest, index = trio.shard.write((user, [Mail(2), Mail(3)]))
    plan = trio.shard.plan([user], manifest)

    def kill(passed: FailPoint) -> None:
        if passed == point:
            trio.primary.kill()

    try:
        with watching(kill), pytest.raises(DatabaseUnreachable, match="cannot be reached"):
            trio.shard.catalog.commit(plan, index)

        trio.replicas.check()
        assert all(each.ready for each in trio.replicas.health())
        assert ids(trio.reader(user, sight)) == ["1"]  # the standbys go on
        with pytest.raises(DatabaseUnreachable, match="start it"):
            trio.shard.catalog.commit(plan, index)
    finally:
        trio.primary.restart()

    assert ids(trio.reader(user, ReadSession(sight.seen), primary_only=True)) == ["1"]
    assert trio.shard.catalog.commit(plan, index)  # the same engine, no restart of ours
    assert ids(trio.reader(user, ReadSession(trio.token(user)))) == ["3", "2", "1"]


def test_readers_that_pass_their_position_on_never_go_back_while_replay_stops_and_goes(trio: Trio) -> None:
    user, commits, stop = trio.shard.user(), 30, threading.Event()
    begun = trio.token(user)  # a standby may not have the mailbox yet
    problems: list[str] = []
    served: list[int] = []
    done = 0

    def look(source: Source) -> tuple[int, tuple[int, bool]]:
        with transaction(source) as connection:
            counting = text("SELECT count(*) FROM messages WHERE user_id = :u")
            found = connection.execute(counting, {"u": user}).scalar_one()
            telling = text("SELECT messages, pg_is_in_recovery() FROM mailboxes WHERE user_id = :u")
            told, standby = connection.execute(telling, {"u": user}).one()
            return found, (told, standby)

    def read() -> None:
        try:
            compare()
        except BackupError as exc:
            problems.append(str(exc))

    def compare() -> None:
        position, most = begun, 0
        while not stop.is_set():
            atleast, sight = done, ReadSession(position)
            source = trio.replicas.source(0, sight)
            found, told = retry_on_missing_file(partial(look, source))
            position = SessionToken.decode(sight.seen.encode())
            served.append(int(told[1]))
            if found < most:
                problems.append(f"{most} messages, then {found}")
            if found % 2 or told[0] % 2:
                problems.append(f"half a commit: {found} messages, {told[0]} told")
            most = max(most, found)
            fresh = ReadSession(trio.token(user))
            if len(trio.reader(user, fresh).emails().items) < min(50, 2 * atleast):
                problems.append(f"older than the token: {atleast} commits were done")

    def toggle() -> None:
        for number in count():
            if stop.is_set():
                return
            trio.standbys[number % 2].pause()
            trio.standbys[number % 2].resume()

    threads = [threading.Thread(target=read) for _ in range(3)] + [threading.Thread(target=toggle)]
    for thread in threads:
        thread.start()
    for number in range(commits):
        trio.shard.store(user, Mail(2 * number + 1), Mail(2 * number + 2))
        done = number + 1
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert 1 in served  # standbys did answer


def test_what_a_replica_broke_off_says_so() -> None:
    assert "retry" in str(ReplicaLost("localhost:1/x", "gone"))
