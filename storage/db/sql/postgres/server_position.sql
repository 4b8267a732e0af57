-- Identity and WAL position of this server.
-- standby; system; timeline (a standby's control file lags; its WAL receiver is more current, if we may read it);
-- lsn: an upper bound of what an earlier statement has seen; written: the most that standbys can have received.
SELECT pg_is_in_recovery() AS standby,
       (SELECT system_identifier FROM pg_control_system()) AS system,
       CASE WHEN pg_is_in_recovery()
            THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                          (SELECT received_tli FROM pg_stat_wal_receiver))
            ELSE CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS bit(32)) AS int)
       END AS timeline,
       CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
            - CAST('0/0' AS pg_lsn) AS bigint) AS lsn,
       CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
            - CAST('0/0' AS pg_lsn) AS bigint) AS written
