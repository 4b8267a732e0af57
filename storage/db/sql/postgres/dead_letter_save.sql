-- Keep an event that a consumer could not handle.
-- :consumer, :shard_id, :position, :user_id, :type, :version, :data, :at, :attempts, :error
INSERT INTO dead_letters (consumer, shard_id, position, user_id, type, version, data, at, attempts, error)
VALUES (:consumer, :shard_id, :position, :user_id, :type, :version, CAST(:data AS jsonb), :at, :attempts, :error)
ON CONFLICT (consumer, shard_id, position) DO UPDATE
SET attempts = dead_letters.attempts + excluded.attempts, error = excluded.error, failed_at = now(), retry = false
