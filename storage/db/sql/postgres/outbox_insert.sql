-- Append domain events in the transaction of the commit that they describe.
-- :shard_id and arrays of equal length.
INSERT INTO outbox (shard_id, user_id, type, data)
SELECT :shard_id, user_id, type, data::jsonb
FROM unnest(CAST(:user_ids AS bigint[]), CAST(:types AS text[]), CAST(:data AS text[])) AS e (user_id, type, data)
