-- Moves that are under way, and those whose former copies are still kept.
SELECT shard_id, source, target, state, started_at, switched_at
FROM shard_moves
ORDER BY shard_id
