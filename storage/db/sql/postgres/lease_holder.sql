-- The holder of a shard, and the seconds until its lease expires.
-- :shard_id
SELECT cluster, greatest(extract(epoch FROM expires_at - now()), 0)::float8 AS seconds
FROM leases
WHERE shard_id = :shard_id
