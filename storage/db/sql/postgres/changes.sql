-- Changes in a mailbox between two times: the difference of each message's states, newest mail first.
-- :user_id; :since (exclusive), :until (inclusive); :vanished: only messages deleted or moved to Trash;
-- :before_at, :before_id: the page cursor; :limit: rows.
WITH turned AS (
    -- Events of a label alternate (storage/mailbox/as_of.py): the label changed if their number is odd, to the last one.
    SELECT message_id, label_id, bool_or(is_on) FILTER (WHERE place = 1) AS is_on
    FROM (
        SELECT
            message_id, label_id, is_on,
            row_number() OVER (PARTITION BY message_id, label_id ORDER BY history_id DESC, observed_at DESC) AS place
        FROM label_events
        WHERE user_id = :user_id AND (label_id = '\Deleted' OR NOT starts_with(label_id, '\'))
            AND observed_at > CAST(:since AS timestamptz) AND observed_at <= CAST(:until AS timestamptz)
    ) AS events
    GROUP BY message_id, label_id
    HAVING count(*) % 2 = 1
),
changed AS (
    SELECT
        message_id,
        bool_or(is_on) FILTER (WHERE label_id = '\Deleted') AS deleted,
        coalesce(array_agg(label_id ORDER BY label_id) FILTER (WHERE is_on AND label_id <> '\Deleted'), '{}') AS put_on,
        coalesce(array_agg(label_id ORDER BY label_id) FILTER (WHERE NOT is_on AND label_id <> '\Deleted'), '{}')
            AS taken_off
    FROM turned
    GROUP BY message_id
)
SELECT
    m.message_id, m.thread_id, m.received_at, m.size_bytes, s.name AS segment,
    m.stored_at > CAST(:since AS timestamptz) AS added,
    changed.deleted, coalesce(changed.put_on, '{}') AS put_on, coalesce(changed.taken_off, '{}') AS taken_off
FROM messages AS m
JOIN segment_files AS s USING (segment_id)
LEFT JOIN changed USING (message_id)
WHERE m.user_id = :user_id
    AND m.stored_at <= CAST(:until AS timestamptz)
    AND (m.stored_at > CAST(:since AS timestamptz) OR changed.message_id IS NOT NULL)
    AND (NOT :vanished OR changed.deleted OR 'TRASH' = ANY (changed.put_on))
    AND (m.received_at, m.message_id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS bigint))
ORDER BY m.received_at DESC, m.message_id DESC
LIMIT :limit
