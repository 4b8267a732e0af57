-- Delete the reason that a shard's owner does not answer. :shard_id.
DELETE FROM wait_reasons WHERE shard_id = :shard_id AND kind = 'owner_silent'
