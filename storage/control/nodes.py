"""Processes that work on the archive, and the file formats that are written because all of them read these.

Owners and replicas of the gateway announce themselves. While releases work side by side, the format of each kind of
file is the newest that every announced process reads. It rises when the last older process has left or expired, in one
transaction with an announcement, and never falls: an older process that begins after that is refused by name. Tasks
are of their owner's release. Commands only read for a moment; a file that is too new for them is refused by its number.
In the control database. Blocking.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Row

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.version import VERSION


class ProgramOutdated(BackupError):
    """Files of a format that this program does not read are written already. Use the newer program."""

    def __init__(self, kind: str, number: int, known: int) -> None:
        super().__init__(kind, number, known)
        self.kind, self.number, self.known = kind, number, known

    def __str__(self) -> str:
        return (
            f"The archive's {self.kind} files are written in format {self.number}, and gbm {VERSION} reads up to "
            f"{self.known}: use the newer program that the other processes have."
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A process. formats: the newest format that it reads, by kind of file."""

    node_id: str
    kind: str
    program: str
    formats: Mapping[str, int]


class Nodes:
    """The processes of a cluster, of all its releases."""

    def __init__(self, engine: Source) -> None:
        """`engine`: of the control database."""
        self._engine = engine

    def announce(self, node: Node, ttl_s: float) -> dict[str, int]:
        """Record a process for the next `ttl_s` seconds; return the formats that are written from now on.

        Raises:
            ProgramOutdated: it cannot read what the others write; it is not recorded.
            DatabaseUnreachable.
        """
        values = {"node_id": node.node_id, "kind": node.kind, "program": node.program, "ttl_s": ttl_s}
        with transaction(self._engine) as connection:
            connection.execute(query("nodes_lock"))
            for kind, number in _numbers(connection.execute(query("file_formats"))).items():
                if number > node.formats.get(kind, 0):
                    raise ProgramOutdated(kind, number, node.formats.get(kind, 0))
            connection.execute(query("nodes_forget"))
            connection.execute(query("node_announce"), {**values, "formats": orjson.dumps(node.formats).decode()})
            connection.execute(query("file_formats_raise"))
            return _numbers(connection.execute(query("file_formats")))

    def leave(self, node_id: str) -> None:
        """Forget a process that ends."""
        with transaction(self._engine) as connection:
            connection.execute(query("node_leave"), {"node_id": node_id})

    def living(self) -> list[Node]:
        """The processes that announced themselves lately, older releases first."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("nodes")).all()
        return [Node(row.node_id, row.kind, row.program, row.formats) for row in rows]

    def written(self) -> dict[str, int]:
        """The format that is written, by kind of file; a kind that is not named: the first."""
        with transaction(self._engine) as connection:
            return _numbers(connection.execute(query("file_formats")))


def _numbers(rows: Iterable[Row[Any]]) -> dict[str, int]:
    return {row.kind: int(row.number) for row in rows}
