-- Which shards have their place in this database? Not copies that arrive or were left behind.
SELECT shard_id FROM leases WHERE cluster NOT IN ('gbm:moved', 'gbm:arriving')
