-- Make all segments of a shard eligible for compaction again.
-- :shard_id
UPDATE segments SET excluded = NULL WHERE shard_id = :shard_id AND excluded IS NOT NULL
