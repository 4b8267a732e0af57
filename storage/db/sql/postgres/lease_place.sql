-- The cluster of a shard's lease, or the state of its move. The share lock makes a move's fence wait.
-- :shard_id
SELECT cluster
FROM leases
WHERE shard_id = :shard_id
FOR SHARE
