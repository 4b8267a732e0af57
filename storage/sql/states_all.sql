-- What every message of every mailbox of a shard database carries at a moment. For operators.
-- {messages}: as in email_location.sql.
SELECT m.user_id, m.message_id, m.labels, m.deleted_at
FROM {messages} AS m
