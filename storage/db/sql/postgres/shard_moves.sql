-- Moves in progress, and completed moves whose source copies still exist.
SELECT shard_id, source, target, state, started_at, switched_at
FROM shard_moves
ORDER BY shard_id
