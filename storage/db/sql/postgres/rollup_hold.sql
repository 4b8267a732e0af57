-- Wait for the commits of this epoch that are under way, and hold later ones off until this transaction ends.
-- :shard_id, :owner, :epoch
SELECT 1 FROM leases WHERE shard_id = :shard_id AND owner = :owner AND epoch = :epoch FOR UPDATE
