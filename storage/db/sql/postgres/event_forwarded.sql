-- Up to which position of the control database events were forwarded to a shard. Locks the shard's counter.
-- :shard_id
INSERT INTO event_positions AS p (shard_id, last)
VALUES (:shard_id, 0)
ON CONFLICT (shard_id) DO UPDATE SET last = p.last
RETURNING forwarded
