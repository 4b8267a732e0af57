-- Acquire a shard for its move: from an owner of the same cluster, after its lease expired, or from a mover that died.
-- :shard_id, :owner, :cluster (of the owners), :moving (cluster name during the move), :ttl_s. Returns the epoch.
INSERT INTO leases (shard_id, owner, cluster, epoch, expires_at)
VALUES (:shard_id, :owner, :moving, 1, now() + make_interval(secs => :ttl_s))
ON CONFLICT (shard_id) DO UPDATE
SET owner = excluded.owner, cluster = excluded.cluster, epoch = leases.epoch + 1, expires_at = excluded.expires_at
WHERE leases.expires_at <= now() OR leases.cluster IN (:cluster, excluded.cluster)
RETURNING epoch
