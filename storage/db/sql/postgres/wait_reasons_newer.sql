-- Whether a later owner of the shard has recorded reasons.
-- :shard_id, :epoch
SELECT 1 FROM wait_reasons WHERE shard_id = :shard_id AND epoch > :epoch LIMIT 1
