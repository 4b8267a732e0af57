-- The owner and the contents of each shard.
-- :shard_ids
SELECT s.shard_id, l.epoch, coalesce(l.expires_at > now(), false) AS owned, m.users, m.messages,
    g.segments, g.size_bytes, g.stored_bytes, g.defective
FROM unnest(CAST(:shard_ids AS integer[])) AS s (shard_id)
LEFT JOIN leases AS l USING (shard_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS users, coalesce(sum(messages), 0)::bigint AS messages
    FROM mailboxes
    WHERE mailboxes.shard_id = s.shard_id
) AS m
CROSS JOIN LATERAL (
    SELECT count(*) AS segments, coalesce(sum(f.size_bytes), 0)::bigint AS size_bytes,
        coalesce(sum(raw_bytes + parquet_bytes + coalesce(words_bytes, 0) + coalesce(a.size_bytes, 0)), 0)::bigint
            AS stored_bytes,
        coalesce(sum(defective), 0)::bigint AS defective
    FROM segments AS f
    LEFT JOIN analyses AS a ON a.segment_id = f.segment_id AND a.retired_at IS NULL
    WHERE f.shard_id = s.shard_id AND f.retired_at IS NULL
) AS g
ORDER BY s.shard_id
