-- The shards recorded in this database.
SELECT shard_id FROM leases UNION SELECT shard_id FROM mailboxes UNION SELECT shard_id FROM segments
