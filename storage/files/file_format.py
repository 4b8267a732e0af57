"""The number of each kind of file's format: what this program writes, and what it can read.

A file carries its number: segments' raw files and splits in the last two digits of their footer's magic, Parquet files
in the metadata key `gbm.format`, roll-ups and exports in their manifest. Files of the first version carry none in
Parquet and in exports: they are of format 1. Files live longest, so a reader of an old format stays; whoever changes
a format raises its number in `WRITTEN`, keeps the reader, and keeps a file of the old one in
tests/integration/storage/formats. storage/control/nodes.py says which format all nodes can read.
"""

import re
from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

from storage.files.blobs import FileDamaged

Kind = Literal["raw", "messages", "split", "analysis", "rollup", "export"]

#: What this program writes once every node can read it; it reads all from 1.
WRITTEN: Mapping[Kind, int] = {"raw": 1, "messages": 1, "split": 1, "analysis": 1, "rollup": 1, "export": 1}
PARQUET_KEY = b"gbm.format"


class FileNewer(FileDamaged):
    """A file is of a format that a newer program wrote. It is whole: read it with that program."""

    def __init__(self, name: str, number: int, known: int) -> None:
        super().__init__(name, f"format {number}")
        self.args = (name, number, known)
        self.number, self.known = number, known

    def __str__(self) -> str:
        return (
            f"The archive's file {self.name} is of format {self.number}, and this program reads up to {self.known}: "
            "use the newer program that wrote it."
        )


def require_known(name: str, kind: Kind, number: int) -> None:
    """Refuse a file of a newer format.

    Raises:
        FileNewer.
    """
    if number > WRITTEN[kind]:
        raise FileNewer(name, number, WRITTEN[kind])


def magic(kind: Literal["raw", "split"], prefix: bytes) -> bytes:
    """The eight bytes that end a file: GBMRAW01."""
    return prefix + b"%02d" % WRITTEN[kind]


def number_of_magic(found: bytes, prefix: bytes) -> int | None:
    """The format that the last bytes of a file say; None: they are not those of such a file."""
    match = re.fullmatch(re.escape(prefix) + rb"(\d\d)", found)
    return int(match[1]) if match and int(match[1]) else None


def numbered(schema: pa.Schema, kind: Literal["messages", "analysis", "rollup", "export"]) -> pa.Schema:
    """The schema with the format's number, to write a Parquet file with."""
    return schema.with_metadata({**(schema.metadata or {}), PARQUET_KEY: str(WRITTEN[kind]).encode()})


def number_of_parquet(metadata: Mapping[bytes, bytes] | None) -> int:
    """The format that a Parquet file's key-value metadata say; 1 where they say none, as the first version's do."""
    said = (metadata or {}).get(PARQUET_KEY, b"1")
    return int(said) if said.isdigit() else 1
