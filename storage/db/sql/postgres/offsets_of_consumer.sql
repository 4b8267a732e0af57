-- The offsets of a consumer.
-- :consumer
SELECT shard_id, position, replays FROM event_offsets WHERE consumer = :consumer
