-- Have dead letters delivered again.
-- :consumer; :shard_id and :position, or null for all of the consumer
UPDATE dead_letters
SET retry = true
WHERE consumer = :consumer AND (
    CAST(:position AS bigint) IS NULL OR (shard_id = CAST(:shard_id AS integer) AND position = CAST(:position AS bigint))
)
