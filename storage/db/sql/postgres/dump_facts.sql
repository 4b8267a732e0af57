-- Identity of the dumped database.
SELECT (SELECT version_num FROM alembic_version) AS revision, current_setting('server_version') AS server,
    CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS text) AS wal_lsn,
    CAST(pg_current_snapshot() AS text) AS snapshot
