-- Forget what the owner of a shard gave; that it is silent is not its to say.
-- :shard_id
DELETE FROM wait_reasons WHERE shard_id = :shard_id AND kind <> 'owner_silent'
