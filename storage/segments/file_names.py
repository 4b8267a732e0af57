"""The suffixes of the archive's file names: one per kind of file, for segments and for a shard's roll-ups."""

RAW_SUFFIX = ".raw.zst"
PARQUET_SUFFIX = ".parquet"
SPLIT_SUFFIX = ".split"

#: The suffixes of a segment's files; a segment whose words could not be indexed lacks the last.
SUFFIXES = (RAW_SUFFIX, PARQUET_SUFFIX, SPLIT_SUFFIX)

#: A shard's roll-up (storage/recovery/rollup_writer.py).
ROLLUP_SUFFIX = ".rollup"
