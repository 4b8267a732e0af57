"""Processes of neighbouring releases agree on the formats of files: the newest that all of them read."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from storage.config import PostgresConfig
from storage.control.nodes import Node, Nodes, ProgramOutdated
from storage.control.wait_reasons import WaitReasons
from storage.db.engines import Databases, transaction
from storage.model.wait_reasons import WaitKind

OLD, NEW = {"raw": 1, "messages": 1}, {"raw": 1, "messages": 2}


def node(name: str, formats: Mapping[str, int]) -> Node:
    return Node(name, "owner", "0.2.0" if formats == OLD else "0.3.0", formats)


@pytest.fixture
def databases(new_stores: Callable[[], tuple[str, ...]]) -> Iterator[Databases]:
    control, *shards = (SecretStr(dsn) for dsn in new_stores())
    databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=tuple(shards)))
    yield databases
    databases.close()


@pytest.fixture
def nodes(databases: Databases) -> Nodes:
    return Nodes(databases.control)


def test_the_format_of_an_older_process_is_written_until_it_leaves(nodes: Nodes) -> None:
    assert nodes.announce(node("old", OLD), 60) == OLD
    assert nodes.announce(node("new", NEW), 60) == OLD
    assert [(each.node_id, each.program) for each in nodes.living()] == [("old", "0.2.0"), ("new", "0.3.0")]

    nodes.leave("old")

    assert nodes.announce(node("new", NEW), 60) == NEW
    assert nodes.written() == NEW


def test_an_older_process_that_died_is_not_waited_for_beyond_its_time(nodes: Nodes, databases: Databases) -> None:
    nodes.announce(node("old", OLD), 60)
    assert nodes.announce(node("new", NEW), 60) == OLD
    with transaction(databases.control) as connection:
        connection.execute(text("UPDATE nodes SET expires_at = now() WHERE node_id = 'old'"))

    assert nodes.announce(node("new", NEW), 60) == NEW
    assert [each.node_id for each in nodes.living()] == ["new"]


def test_an_older_process_that_begins_after_the_change_is_refused_by_name(nodes: Nodes) -> None:
    nodes.announce(node("new", NEW), 60)

    with pytest.raises(ProgramOutdated, match=r"messages files are written in format 2, and gbm .* reads up to 1"):
        nodes.announce(node("old", OLD), 60)

    assert [each.node_id for each in nodes.living()] == ["new"]
    nodes.leave("new")
    with pytest.raises(ProgramOutdated):
        nodes.announce(node("old", OLD), 60)


def test_a_kind_of_file_that_one_process_does_not_know_is_not_written_yet(nodes: Nodes) -> None:
    nodes.announce(node("old", OLD), 60)
    assert nodes.announce(node("new", {**NEW, "pictures": 1}), 60) == OLD
    nodes.leave("old")
    assert nodes.announce(node("new", {**NEW, "pictures": 1}), 60) == {**NEW, "pictures": 1}


def test_a_kind_of_wait_of_a_newer_release_is_shown_by_its_detail(databases: Databases) -> None:
    with transaction(databases.control) as connection:
        connection.execute(
            text(
                "INSERT INTO wait_reasons (shard_id, user_id, kind, detail, since, attempts, epoch)"
                " VALUES (0, 7, 'moon_is_full', 'the moon is full', now(), 1, 1)"
            )
        )

    [reason] = WaitReasons(databases.control).all()

    assert (reason.kind, reason.detail) == (WaitKind.OTHER, "the moon is full")
    assert reason.as_json()["kind"] == "other"


def test_of_an_older_and_a_newer_process_that_begin_at_once_one_learns_of_the_other(nodes: Nodes) -> None:
    def announced(each: Node) -> dict[str, int] | None:
        try:
            return nodes.announce(each, 60)
        except ProgramOutdated:
            return None

    with ThreadPoolExecutor(2) as pool:
        old, new = pool.map(announced, (node("old", OLD), node("new", NEW)))
    assert (old, new) in [(OLD, OLD), (None, NEW)]
