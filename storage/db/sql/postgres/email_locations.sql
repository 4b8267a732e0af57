-- email_location.sql for messages of several users, each bound to its own user, with the file of the analysis, the
-- classification labels and the newest segment with earlier mail.
-- :user_ids, :message_ids: arrays of equal length
SELECT m.user_id, m.message_id, m.thread_id, m.received_at, m.labels, m.size_bytes, m.deleted_at, s.name AS segment,
    m.sha256, s.base_offset + m.frame_offset AS frame_offset, m.frame_bytes, m.raw_offset, (
        SELECT a.name
        FROM segments AS written
        JOIN analyses AS a
            ON a.segment_id = coalesce(written.moved_to, written.segment_id) AND a.retired_at IS NULL
        WHERE written.segment_id = m.segment_id
    ) AS analysis, (
        SELECT substr(e.label_id, 17)
        FROM label_events AS e
        WHERE e.user_id = m.user_id AND e.message_id = m.message_id AND starts_with(e.label_id, '\Classification:')
        ORDER BY e.observed_at DESC
        LIMIT 1
    ) AS classification, coalesce((
        SELECT max(u.segment_id) FROM segment_users AS u WHERE u.user_id = m.user_id AND u.first_at < m.received_at
    ), 0) AS earlier
FROM unnest(CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[])) AS wanted (user_id, message_id)
JOIN messages AS m ON m.user_id = wanted.user_id AND m.message_id = wanted.message_id
JOIN segment_files AS s USING (segment_id)
