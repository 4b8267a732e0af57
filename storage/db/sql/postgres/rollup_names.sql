-- The roll-ups of a shard that are recorded.
-- :shard_id
SELECT name FROM rollups WHERE shard_id = :shard_id
