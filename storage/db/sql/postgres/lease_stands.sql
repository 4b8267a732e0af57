-- Whether a shard lives in this database, as far as this server knows. False for a copy that a move makes or left.
-- :shard_id
SELECT EXISTS (
    SELECT FROM leases WHERE shard_id = :shard_id AND cluster NOT IN ('gbm:moved', 'gbm:arriving')
)
