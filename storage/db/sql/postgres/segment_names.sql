-- The names of a shard's committed segments whose files exist, live or retired.
-- :shard_id
SELECT name FROM segments WHERE shard_id = :shard_id
