-- Restores, newest first, with the number of messages in each state.
-- :restore_id (or null for all), :person (a user whose archive and mailbox it is, or null for all), :before (an id),
-- :limit, :running (only those that have not ended and are not paused)
SELECT r.restore_id, r.selection, r.state, r.requested_by, r.runs, r.created_at, r.planned_at, r.ended_at, r.error,
    s.user_id, s.email, s.shard_id, t.user_id AS target_user_id, t.email AS target_email, t.shard_id AS target_shard_id,
    coalesce(m.total, 0) AS total, coalesce(m.done, 0) AS done, coalesce(m.present, 0) AS present,
    coalesce(m.failed, 0) AS failed, coalesce(m.sent, 0) AS sent, coalesce(m.size_bytes, 0) AS size_bytes,
    coalesce(m.different, 0) AS different
FROM restores AS r
JOIN users AS s ON s.user_id = r.user_id
JOIN users AS t ON t.user_id = r.target_id
LEFT JOIN LATERAL (
    SELECT count(*) AS total,
        count(*) FILTER (WHERE state = 'done') AS done,
        count(*) FILTER (WHERE state = 'present') AS present,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'sent') AS sent,
        count(*) FILTER (WHERE state = 'done' AND detail IS NOT NULL) AS different,
        sum(size_bytes) FILTER (WHERE state = 'done') AS size_bytes
    FROM restore_messages WHERE restore_id = r.restore_id
) AS m ON true
WHERE (CAST(:restore_id AS bigint) IS NULL OR r.restore_id = :restore_id)
    AND (CAST(:person AS bigint) IS NULL OR (r.user_id = :person AND r.target_id = :person))
    AND r.restore_id < :before
    AND (NOT :running OR r.state IN ('running', 'pausing', 'cancelling'))
ORDER BY r.restore_id DESC
LIMIT :limit
