-- What every message of every mailbox of a shard database carries at a moment, and since when it is stored. For operators.
-- {messages}: as in email_location.sql.
SELECT m.user_id, m.message_id, m.labels, m.deleted_at, m.stored_at
FROM {messages} AS m
WHERE m.user_id NOT IN (
    SELECT user_id
    FROM mailboxes
    WHERE shard_id IN (SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving'))
)
