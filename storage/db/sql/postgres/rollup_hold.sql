-- Wait for running commits of this epoch, and block later ones until this transaction ends.
-- :shard_id, :owner, :epoch
SELECT 1 FROM leases WHERE shard_id = :shard_id AND owner = :owner AND epoch = :epoch FOR UPDATE
