-- Acquire a shard: free, expired, or held by an older owner of the same cluster.
-- :shard_id, :owner, :cluster, :ttl_s seconds. Returns the new epoch, or no row when another cluster holds it.
INSERT INTO leases (shard_id, owner, cluster, epoch, expires_at)
VALUES (:shard_id, :owner, :cluster, 1, now() + make_interval(secs => :ttl_s))
ON CONFLICT (shard_id) DO UPDATE
SET owner = excluded.owner, cluster = excluded.cluster, epoch = leases.epoch + 1, expires_at = excluded.expires_at
WHERE leases.expires_at <= now() OR leases.cluster = excluded.cluster
RETURNING epoch
