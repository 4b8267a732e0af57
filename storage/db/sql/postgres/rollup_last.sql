-- The last roll-up of a shard.
-- :shard_id
SELECT number, name, event_id, changed_from, fingerprint FROM rollups WHERE shard_id = :shard_id
ORDER BY number DESC LIMIT 1
