-- The label events of a shard after one of them, in order.
-- :shard_id, :event_id
SELECT e.user_id, e.message_id, e.label_id, e.is_on, e.history_id, e.observed_at, e.event_id
FROM label_events AS e JOIN mailboxes AS m USING (user_id)
WHERE m.shard_id = :shard_id AND e.event_id > :event_id ORDER BY e.event_id
