-- A time before which no uncommitted transaction began; one minute early, for transactions that begin right now.
SELECT least(clock_timestamp(), min(xact_start)) - interval '1 minute'
FROM pg_stat_activity
WHERE datname = current_database()
