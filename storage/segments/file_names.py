"""The endings of the archive's file names: one per kind of file, shared by a segment's files and a shard's roll-ups."""

RAW_SUFFIX = ".raw.zst"
PARQUET_SUFFIX = ".parquet"
SPLIT_SUFFIX = ".split"

#: The endings of a segment's files; one in which no words could be indexed lacks the last.
SUFFIXES = (RAW_SUFFIX, PARQUET_SUFFIX, SPLIT_SUFFIX)

#: A shard's roll-up (storage/recovery/rollup_writer.py).
ROLLUP_SUFFIX = ".rollup"
