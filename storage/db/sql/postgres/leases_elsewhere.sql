-- Which shards have no place in this database, although rows of theirs may be here? Copies that arrive or were left.
SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving')
