-- The shards that live in this database, without copies that a move makes or left.
SELECT shard_id FROM leases WHERE cluster NOT IN ('gbm:moved', 'gbm:arriving')
