-- When in the week a selection of a mailbox was received. {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at; :zone: whose clock
SELECT
    CAST(extract(isodow FROM l.at) AS integer) AS weekday,
    CAST(extract(hour FROM l.at) AS integer) AS hour,
    count(*) AS messages,
    count(*) FILTER (WHERE l.sent) AS sent
FROM (
    SELECT
        m.received_at AT TIME ZONE CAST(:zone AS text) AS at,
        m.deleted_at IS NULL AND m.labels @> ARRAY['SENT'] AS sent
    FROM {messages} AS m
    WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
) AS l
GROUP BY 1, 2
ORDER BY 1, 2
