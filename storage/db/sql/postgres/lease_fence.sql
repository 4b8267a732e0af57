-- Whether this epoch is the shard's current one. The share lock makes a takeover wait for our transaction.
-- :shard_id, :owner, :epoch
SELECT 1
FROM leases
WHERE shard_id = :shard_id AND owner = :owner AND epoch = :epoch
FOR SHARE
