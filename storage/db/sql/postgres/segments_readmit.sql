-- Let compaction try all segments of a shard again.
-- :shard_id
UPDATE segments SET excluded = NULL WHERE shard_id = :shard_id AND excluded IS NOT NULL
