"""Owners of two neighbouring releases on one archive: new file formats are written when the last older one has left."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from actors.decisions import Mode
from actors.owner import ShardOwner
from storage.control.nodes import Node, Nodes, ProgramOutdated
from storage.files import file_format
from storage.files.file_format import number_of_parquet
from storage.model.records import User
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX
from tests.integration.actors.conftest import Cluster, until

#: What this release reads, and what one after it might.
THIS = dict(file_format.NEWEST)
NEXT = {**THIS, "messages": 2, "raw": 2, "rollup": 2}


@pytest.fixture(autouse=True)
def nothing_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_format, "_agreed", {})


def be(release: Mapping[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a release that reads these formats, in this process."""
    monkeypatch.setattr(file_format, "NEWEST", release)


def formats(cluster: Cluster) -> set[tuple[str, int]]:
    """Kind and format number of every file of mail in the archive."""
    found = set()
    for blob in cluster.blobs.list(""):
        path = Path(str(cluster.blobs.location(blob.name)))
        if blob.name.endswith(PARQUET_SUFFIX):
            found.add(("messages", number_of_parquet(pq.read_metadata(path).metadata)))
        elif blob.name.endswith(RAW_SUFFIX):
            found.add(("raw", int(path.read_bytes()[-2:])))
    return found


async def synced(cluster: Cluster, owner: ShardOwner, user: User) -> None:
    await owner.request(user, Mode.INCREMENTAL)
    await cluster.quiet(owner, user)


async def test_a_newer_owner_writes_what_its_older_neighbour_reads_until_that_leaves(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, nodes = cluster.users[0], Nodes(cluster.control.engine)
    older = Node("older", "gateway", "0.2.0", THIS)
    nodes.announce(older, 60)
    be(NEXT, monkeypatch)

    owner, _ = await cluster.owner()
    await synced(cluster, owner, user)
    assert formats(cluster) == {("messages", 1), ("raw", 1)}
    be(THIS, monkeypatch)
    assert cluster.differences(user) == {}, "the older one reads it all"

    be(NEXT, monkeypatch)
    nodes.leave(older.node_id)

    async def moved_on() -> bool:
        return file_format.written("messages") == 2

    await until(moved_on)
    cluster.simulator.act(user.email, "messages")
    await synced(cluster, owner, user)
    assert formats(cluster) == {("messages", 1), ("raw", 1), ("messages", 2), ("raw", 2)}
    assert cluster.differences(user) == {}, "both formats are read"

    with pytest.raises(ProgramOutdated):
        nodes.announce(older, 60)


async def test_an_owner_that_is_too_old_for_the_archive_does_not_begin(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    Nodes(cluster.control.engine).announce(Node("newer", "owner", "0.3.0", NEXT), 60)
    with pytest.raises(ProgramOutdated, match="use the newer program"):
        await cluster.owner()


async def test_an_owner_that_stops_is_waited_for_no_longer(cluster: Cluster) -> None:
    owner, _ = await cluster.owner()
    assert [node.kind for node in Nodes(cluster.control.engine).living()] == ["owner"]
    await owner.close()
    assert Nodes(cluster.control.engine).living() == []
