-- Serialize the owners of a shard that replace its reasons.
-- :shard_id
SELECT pg_advisory_xact_lock(hashtext('wait_reasons'), :shard_id)
