-- By shard with segments newer than its newest roll-up: how long the oldest of them has been waiting. For operators.
SELECT s.shard_id, now() - min(s.created_at) AS lag
FROM segments AS s
WHERE s.retired_at IS NULL
    AND s.created_at > coalesce(
        (SELECT max(r.created_at) FROM rollups AS r WHERE r.shard_id = s.shard_id), '-infinity'
    )
GROUP BY s.shard_id
ORDER BY s.shard_id
