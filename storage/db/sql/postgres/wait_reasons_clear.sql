-- Delete the reasons that a shard's owner recorded; the reason that the owner is silent is not its own.
-- :shard_id
DELETE FROM wait_reasons WHERE shard_id = :shard_id AND kind <> 'owner_silent'
