-- The shards that live in another database, although this one may have a copy that a move makes or left.
SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving')
