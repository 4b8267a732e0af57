-- At which hours of the week of the session's time zone the selected messages came; weekdays from Monday, 1.
-- {selected}: selected.sql
SELECT
    CAST(extract(isodow FROM CAST(m.received_at AS timestamp)) AS integer) AS weekday,
    CAST(extract(hour FROM CAST(m.received_at AS timestamp)) AS integer) AS hour,
    count(*) AS messages,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['SENT']) AS sent
FROM {selected} AS m
GROUP BY 1, 2
ORDER BY 1, 2
