-- The label events of every mailbox of a shard database up to a time. For operators.
-- :until
SELECT user_id, message_id, label_id, is_on, history_id, observed_at
FROM label_events
WHERE observed_at <= CAST(:until AS timestamptz) AND (label_id = '\Deleted' OR NOT starts_with(label_id, '\')) AND user_id NOT IN (
    SELECT user_id
    FROM mailboxes
    WHERE shard_id IN (SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving'))
)
