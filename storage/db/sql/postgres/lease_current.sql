-- The lease of a shard that has not expired.
-- :shard_id
SELECT owner, cluster, epoch FROM leases WHERE shard_id = :shard_id AND expires_at > now()
