-- Copy a shard's lease to the target database of its move. An epoch used there before is never used again.
-- :shard_id, :owner, :moving, :epoch, :ttl_s. Returns the epoch.
INSERT INTO leases (shard_id, owner, cluster, epoch, expires_at)
VALUES (:shard_id, :owner, :moving, :epoch, now() + make_interval(secs => :ttl_s))
ON CONFLICT (shard_id) DO UPDATE
SET owner = excluded.owner, cluster = excluded.cluster, epoch = greatest(leases.epoch + 1, excluded.epoch),
    expires_at = excluded.expires_at
RETURNING epoch
