-- The selected messages by hour, day, week (from Monday), month, quarter or year of the session's time zone.
-- :bucket; :limit: rows. {selected}: selected.sql
-- start: local time; offset_s: for an hour, its offset from UTC, because one local hour occurs twice in autumn.
SELECT
    date_trunc(CAST(:bucket AS text), CAST(m.received_at AS timestamp)) AS start,
    CASE WHEN CAST(:bucket AS text) = 'hour' THEN CAST(extract(timezone FROM m.received_at) AS integer) END AS offset_s,
    count(*) AS messages,
    CAST(sum(m.size_bytes) AS bigint) AS size_bytes,
    count(*) FILTER (WHERE m.deleted_at IS NOT NULL) AS deleted,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['UNREAD']) AS unread,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['SENT']) AS sent
FROM {selected} AS m
GROUP BY 1, 2
ORDER BY 1, 2 DESC
LIMIT :limit
