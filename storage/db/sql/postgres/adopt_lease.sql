-- Start a shard's next epoch after every epoch that its files name.
-- :shard_id, :epoch
INSERT INTO leases (shard_id, owner, cluster, epoch, expires_at)
VALUES (:shard_id, 'rebuilt', 'rebuilt', :epoch, now())
ON CONFLICT (shard_id) DO UPDATE
SET owner = 'rebuilt', cluster = 'rebuilt', epoch = greatest(leases.epoch, :epoch), expires_at = now()
