"""The suffixes of the archive's file names: one per kind of file, for segments and for a shard's roll-ups."""

import re

RAW_SUFFIX = ".raw.zst"
PARQUET_SUFFIX = ".parquet"
SPLIT_SUFFIX = ".split"

#: The suffixes of a segment's files; a segment whose words could not be indexed lacks the last.
SUFFIXES = (RAW_SUFFIX, PARQUET_SUFFIX, SPLIT_SUFFIX)

#: A shard's roll-up (storage/recovery/rollup_writer.py).
ROLLUP_SUFFIX = ".rollup"

#: SHARD/EPOCH-UUID, and for an analysis .EPOCH-UUID and its suffix: what the catalog records (archive_names.sql).
_RECORDED = re.compile(r"[0-9]{4,10}/[0-9]{8,19}-[0-9a-f]{32}(?:\.[0-9]{8,19}-[0-9a-f]{32}\.analysis)?")


def is_recorded_name(name: str) -> bool:
    """Whether the archive's writers make such a name: of a segment, an analysis or a roll-up, without suffix."""
    return _RECORDED.fullmatch(name) is not None
