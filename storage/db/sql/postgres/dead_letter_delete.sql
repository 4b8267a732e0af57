-- Delete dead letters.
-- :consumer; :shard_id and :position, or null for all of the consumer
DELETE FROM dead_letters
WHERE consumer = :consumer AND (
    CAST(:position AS bigint) IS NULL OR (shard_id = CAST(:shard_id AS integer) AND position = CAST(:position AS bigint))
)
