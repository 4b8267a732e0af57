-- The message index as of a time: a subquery to insert for {messages} (rule: storage/mailbox/as_of.py).
-- :as_of. The outer query selects the user by a condition on user_id.
-- A label's state is decided by its first event after the time, inverted; without one, by the current state. Deletions
-- are read forwards, because no message is stored deleted. Messages unchanged since the time cost nothing.
SELECT
    stored.user_id, stored.message_id, stored.thread_id, stored.received_at, stored.size_bytes, stored.sha256,
    stored.segment_id, stored.frame_offset, stored.frame_bytes, stored.raw_offset, stored.stored_at,
    CASE WHEN stored.changed_at > CAST(:as_of AS timestamptz) THEN ARRAY(
        SELECT label_id
        FROM (
            SELECT DISTINCT ON (label_id) label_id, carried
            FROM (
                SELECT later.label_id, NOT later.is_on AS carried, later.history_id, later.observed_at
                FROM label_events AS later
                WHERE later.user_id = stored.user_id AND later.message_id = stored.message_id
                    AND later.observed_at > CAST(:as_of AS timestamptz) AND NOT starts_with(later.label_id, '\')
                UNION ALL
                SELECT label_id, TRUE, NULL, NULL FROM unnest(stored.labels) AS label_id
            ) AS facts
            ORDER BY label_id, history_id NULLS LAST, observed_at
        ) AS first_since
        WHERE carried
    ) ELSE stored.labels END AS labels,
    CASE WHEN stored.changed_at > CAST(:as_of AS timestamptz) THEN (
        SELECT CASE WHEN is_on THEN observed_at END
        FROM label_events AS earlier
        WHERE earlier.user_id = stored.user_id AND earlier.message_id = stored.message_id
            AND earlier.observed_at <= CAST(:as_of AS timestamptz) AND earlier.label_id = '\Deleted'
        ORDER BY history_id DESC, observed_at DESC
        LIMIT 1
    ) ELSE stored.deleted_at END AS deleted_at
FROM messages AS stored
WHERE stored.stored_at <= CAST(:as_of AS timestamptz)
