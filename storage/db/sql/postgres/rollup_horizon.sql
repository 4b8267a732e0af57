-- A moment before which no transaction that is still to commit began; a minute early, for those that begin right now.
SELECT least(clock_timestamp(), min(xact_start)) - interval '1 minute'
FROM pg_stat_activity
WHERE datname = current_database()
