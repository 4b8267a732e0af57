-- The names of a shard's committed segments.
-- :shard_id
SELECT name FROM segments WHERE shard_id = :shard_id
