"""Format numbers of files, by kind: the numbers that this release reads, and the number that this process writes.

A new format is written only after every process of the cluster reads it (storage/control/nodes.py): owners learn the
agreed numbers and hand them to their tasks. A process that was told none writes the first format.

A file contains its number: raw files and splits in the last two digits of their footer's magic, Parquet files in the
metadata key `gbm.format`, roll-ups and exports in their manifest. Parquet files and exports of the first version have
no number: their format is 1. Files outlive releases, so readers of old formats stay. To change a format, raise its
number in `NEWEST`, let writers follow `written`, keep the reader, and keep a file of the old format in
tests/integration/storage/formats.
"""

import re
from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

from storage.files.blobs import FileDamaged

Kind = Literal["raw", "messages", "split", "analysis", "rollup", "export"]

#: The newest format that this release reads, and writes once every process reads it; it reads all formats from 1.
NEWEST: Mapping[str, int] = {"raw": 1, "messages": 1, "split": 1, "analysis": 1, "rollup": 1, "export": 1}
PARQUET_KEY = b"gbm.format"
_FIRST = 1

#: What the cluster of this process writes, by kind.
_agreed: dict[str, int] = {}


class FileNewer(FileDamaged):
    """A newer release wrote the file. The file is intact: read it with that release."""

    def __init__(self, name: str, number: int, known: int) -> None:
        super().__init__(name, f"format {number}")
        self.args = (name, number, known)
        self.number, self.known = number, known

    def __str__(self) -> str:
        return (
            f"The archive's file {self.name} is of format {self.number}, and this program reads up to {self.known}: "
            "use the newer program that wrote it."
        )


def agree(numbers: Mapping[str, int]) -> None:
    """Write these formats from now on, as far as this release knows them. A process works for one cluster."""
    _agreed.update(numbers)


def agreed() -> dict[str, int]:
    """What `agree` was told, for a process that works for this one."""
    return dict(_agreed)


def written(kind: Kind) -> int:
    """The format that this process writes now."""
    return min(NEWEST[kind], _agreed.get(kind, _FIRST))


def require_known(name: str, kind: Kind, number: int) -> None:
    """Reject a file of a newer format.

    Raises:
        FileNewer.
    """
    if number > NEWEST[kind]:
        raise FileNewer(name, number, NEWEST[kind])


def magic(kind: Literal["raw", "split"], prefix: bytes) -> bytes:
    """The last eight bytes of a file, such as GBMRAW01."""
    return prefix + b"%02d" % written(kind)


def number_of_magic(found: bytes, prefix: bytes) -> int | None:
    """The format number in the last bytes of a file; None: not such a file."""
    match = re.fullmatch(re.escape(prefix) + rb"(\d\d)", found)
    return int(match[1]) if match and int(match[1]) else None


def numbered(schema: pa.Schema, kind: Literal["messages", "analysis", "rollup", "export"]) -> pa.Schema:
    """A Parquet file's schema with the format number."""
    return schema.with_metadata({**(schema.metadata or {}), PARQUET_KEY: str(written(kind)).encode()})


def number_of_parquet(metadata: Mapping[bytes, bytes] | None) -> int:
    """The format number in a Parquet file's metadata; 1 when there is none, as in files of the first version."""
    said = (metadata or {}).get(PARQUET_KEY, b"1")
    return int(said) if said.isdigit() else 1
