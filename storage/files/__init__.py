"""The archive's files: blobs by name, the raw file format, Parquet row groups, DuckDB over Parquet."""
