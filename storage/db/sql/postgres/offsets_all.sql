-- The offsets of all consumers, and their dead letters.
SELECT
    o.consumer, o.shard_id, o.position, o.updated_at,
    (SELECT count(*) FROM dead_letters AS d WHERE d.consumer = o.consumer AND d.shard_id = o.shard_id) AS dead
FROM event_offsets AS o
ORDER BY o.consumer, o.shard_id
