-- Record a consumer's first offset of a shard; no row when it has one.
-- :consumer, :shard_id, :position
INSERT INTO event_offsets (consumer, shard_id, position)
VALUES (:consumer, :shard_id, :position)
ON CONFLICT DO NOTHING
