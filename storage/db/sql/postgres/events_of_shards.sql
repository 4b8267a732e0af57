-- Events of shards, each after a position of its own, in the order of their positions.
-- :shard_ids, :afters: arrays of equal length; :types (null: all), :of_nobody (only events about no mailbox), :limit
SELECT e.*
FROM unnest(CAST(:shard_ids AS integer[]), CAST(:afters AS bigint[])) AS s (shard_id, after)
CROSS JOIN LATERAL (
    SELECT o.shard_id, o.position, o.user_id, o.type, o.version, o.data, o.created_at
    FROM outbox AS o
    WHERE o.shard_id = s.shard_id AND o.position > s.after
        AND (CAST(:types AS text[]) IS NULL OR o.type = ANY(CAST(:types AS text[])))
        AND (NOT CAST(:of_nobody AS boolean) OR o.user_id IS NULL)
    ORDER BY o.position
    LIMIT :limit
) AS e
ORDER BY e.position, e.shard_id
LIMIT :limit
