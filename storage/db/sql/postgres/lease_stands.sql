-- Has a shard its place in this database, as far as this server knows? A copy that arrives or was left behind has not.
-- :shard_id
SELECT EXISTS (
    SELECT FROM leases WHERE shard_id = :shard_id AND cluster NOT IN ('gbm:moved', 'gbm:arriving')
)
