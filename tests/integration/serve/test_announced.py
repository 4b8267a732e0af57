"""A replica of the gateway is known as one that reads the archive, and does not fail for want of that."""

import pytest

from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.settings import Settings
from storage.control.nodes import Node, Nodes
from storage.files import file_format
from storage.version import VERSION
from tests.integration.serve.conftest import Archive, RecordingOwners


async def checked(assembly: Assembly) -> None:
    """Look at a replica's health, as Serve does, and let what that begins end."""
    await assembly.check()
    assert assembly._announcing is not None
    await assembly._announcing


async def test_a_replica_is_announced_while_its_health_is_looked_at(archive: Archive) -> None:
    assembly = Assembly(Settings(archive.backup, ServeConfig()), RecordingOwners())
    nodes = Nodes(archive.databases.control)

    await checked(assembly)
    await checked(assembly)

    [node] = nodes.living()
    assert (node.kind, node.program, node.formats) == ("gateway", VERSION, file_format.NEWEST)
    assembly.close()
    assert nodes.living() == []


async def test_a_replica_that_is_too_old_says_so_and_stays(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    newer = {**file_format.NEWEST, "messages": 9}
    Nodes(archive.databases.control).announce(Node("newer", "owner", "9.0.0", newer), 60)
    assembly = Assembly(Settings(archive.backup, ServeConfig()), RecordingOwners())

    await checked(assembly)

    assert "messages files are written in format 9" in caplog.text
    assembly.close()
