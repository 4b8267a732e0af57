-- The reasons for which shards and mailboxes wait.
-- :shard_ids, :user_ids: null for all; user 0: the whole shard
SELECT shard_id, user_id, kind, detail, attempts,
    CAST(extract(epoch FROM since) AS double precision) AS since,
    CAST(extract(epoch FROM next_attempt_at) AS double precision) AS next_attempt_at
FROM wait_reasons
WHERE CAST(:shard_ids AS integer[]) IS NULL
    OR (user_id = 0 AND shard_id = ANY(CAST(:shard_ids AS integer[])))
    OR (user_id <> 0 AND user_id = ANY(CAST(:user_ids AS bigint[])))
ORDER BY since, user_id, kind
