-- Append label events.
-- arrays of equal length.
INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id)
SELECT *
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:label_ids AS text[]),
    CAST(:is_on AS boolean[]), CAST(:history_ids AS bigint[])
)
