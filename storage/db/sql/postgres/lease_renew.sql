-- Renew a lease that we still hold.
-- :shard_id, :owner, :epoch, :ttl_s seconds from now (0 releases it).
UPDATE leases
SET expires_at = now() + make_interval(secs => :ttl_s)
WHERE shard_id = :shard_id AND owner = :owner AND epoch = :epoch
