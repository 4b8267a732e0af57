"""Real PostgreSQL, DuckDB and Parquet; real HTTP to the simulator."""
