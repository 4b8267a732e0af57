-- Which messages a selection has. {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at; :unread: only those that are
SELECT m.message_id
FROM {messages} AS m
WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
    AND (NOT :unread OR m.labels @> ARRAY['UNREAD'])
