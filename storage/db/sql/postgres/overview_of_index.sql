-- Totals of the selected messages by year (UTC).
-- {selected}: selected.sql
SELECT
    CAST(extract(year FROM m.received_at) AS integer) AS year,
    count(*) AS messages,
    CAST(sum(m.size_bytes) AS bigint) AS size_bytes,
    count(*) FILTER (WHERE m.deleted_at IS NOT NULL) AS deleted,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['UNREAD']) AS unread,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['SENT']) AS sent,
    min(m.received_at) AS first_at,
    max(m.received_at) AS last_at
FROM {selected} AS m
GROUP BY 1
ORDER BY 1
