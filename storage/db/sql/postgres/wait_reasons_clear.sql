-- Delete the reasons that a shard's owner recorded; the supervisor records that somebody is silent.
-- :shard_id
DELETE FROM wait_reasons WHERE shard_id = :shard_id AND kind NOT IN ('owner_silent', 'broker_silent')
