-- Mark a shard as moved out of this database: it cannot be acquired here until it moves back.
-- :shard_id, :owner, :epoch, :moved
UPDATE leases
SET cluster = :moved, expires_at = now() + interval '1000 years'
WHERE shard_id = :shard_id AND owner = :owner AND epoch = :epoch
