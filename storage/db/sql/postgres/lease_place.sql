-- Which cluster has a shard, or what stands in its place while it moves? The share lock makes a move's fence wait.
-- :shard_id
SELECT cluster
FROM leases
WHERE shard_id = :shard_id
FOR SHARE
