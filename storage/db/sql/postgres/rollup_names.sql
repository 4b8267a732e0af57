-- The recorded roll-ups of a shard.
-- :shard_id
SELECT name FROM rollups WHERE shard_id = :shard_id
