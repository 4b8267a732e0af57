-- Every shard with the index of its database.
SELECT shard_id, database FROM shards ORDER BY shard_id
