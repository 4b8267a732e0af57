"""The archive's files: blobs by name, the raw format, Parquet row groups, DuckDB over Parquet."""
