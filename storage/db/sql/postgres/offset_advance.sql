-- Advance an offset that nobody else has changed; no row when somebody has.
-- :consumer, :shard_id, :before, :replays, :position
UPDATE event_offsets
SET position = :position, updated_at = now()
WHERE consumer = :consumer AND shard_id = :shard_id AND position = :before AND replays = :replays
RETURNING position
