-- The highest positions of these shards' events. Every event up to them is committed.
-- :shard_ids
SELECT shard_id, last FROM event_positions WHERE shard_id = ANY(CAST(:shard_ids AS integer[]))
