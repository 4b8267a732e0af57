-- Delete the reason that a shard's owner, or the quota broker, does not answer. :shard_id, :kind.
DELETE FROM wait_reasons WHERE shard_id = :shard_id AND kind = :kind
