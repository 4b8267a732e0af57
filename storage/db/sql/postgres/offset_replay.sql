-- Set the offsets of a consumer, so that the events after them are delivered again.
-- :consumer and arrays of equal length.
UPDATE event_offsets AS o
SET position = n.position, replays = o.replays + 1, updated_at = now()
FROM unnest(CAST(:shard_ids AS integer[]), CAST(:positions AS bigint[])) AS n (shard_id, position)
WHERE o.consumer = :consumer AND o.shard_id = n.shard_id
