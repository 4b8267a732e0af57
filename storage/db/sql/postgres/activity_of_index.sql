-- The selected messages by weekday (1: Monday) and hour in the session's time zone.
-- {selected}: selected.sql
SELECT
    CAST(extract(isodow FROM CAST(m.received_at AS timestamp)) AS integer) AS weekday,
    CAST(extract(hour FROM CAST(m.received_at AS timestamp)) AS integer) AS hour,
    count(*) AS messages,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['SENT']) AS sent
FROM {selected} AS m
GROUP BY 1, 2
ORDER BY 1, 2
