-- The state of every message of a shard database at a time, and when each message was stored. For operators.
-- {messages}: as in email_location.sql.
SELECT m.user_id, m.message_id, m.thread_id, m.labels, m.deleted_at, m.stored_at
FROM {messages} AS m
WHERE m.user_id NOT IN (
    SELECT user_id
    FROM mailboxes
    WHERE shard_id IN (SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving'))
)
