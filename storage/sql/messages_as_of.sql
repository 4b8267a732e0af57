-- The message index as it was at a moment: a table to put in for {messages} (storage/moments.py has the rule).
-- :as_of. Whoever puts it in says whose messages, with a condition on user_id.
SELECT
    stored.user_id, stored.message_id, stored.thread_id, stored.received_at, stored.size_bytes, stored.sha256,
    stored.segment_id, stored.frame_offset, stored.frame_bytes, stored.raw_offset, stored.stored_at,
    CASE
        WHEN undone.labels IS NULL THEN stored.labels
        ELSE ARRAY(
            SELECT label_id FROM unnest(stored.labels) AS label_id WHERE label_id <> ALL (undone.labels)
            UNION ALL
            SELECT label_id FROM unnest(undone.carried) AS label_id WHERE label_id <> '\Deleted'
        )
    END AS labels,
    CASE
        WHEN undone.labels IS NULL OR '\Deleted' <> ALL (undone.labels) THEN stored.deleted_at
        WHEN '\Deleted' = ANY (undone.carried) THEN (
            SELECT max(earlier.observed_at)
            FROM label_events AS earlier
            WHERE earlier.user_id = stored.user_id AND earlier.message_id = stored.message_id
                AND earlier.label_id = '\Deleted' AND earlier.is_on
                AND earlier.observed_at <= CAST(:as_of AS timestamptz)
        )
    END AS deleted_at
FROM messages AS stored
LEFT JOIN LATERAL (
    -- labels: those that changed since; carried: those of them that were on then.
    SELECT array_agg(label_id) AS labels, coalesce(array_agg(label_id) FILTER (WHERE NOT is_on), '{}') AS carried
    FROM (
        SELECT DISTINCT ON (later.label_id) later.label_id, later.is_on
        FROM label_events AS later
        WHERE stored.changed_at > CAST(:as_of AS timestamptz)
            AND later.user_id = stored.user_id AND later.message_id = stored.message_id
            AND later.observed_at > CAST(:as_of AS timestamptz)
        ORDER BY later.label_id, later.history_id
    ) AS first_since
) AS undone ON TRUE
WHERE stored.stored_at <= CAST(:as_of AS timestamptz)
