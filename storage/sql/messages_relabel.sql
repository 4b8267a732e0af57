-- Write the folded state of changed messages. Labels travel as text joined by U+001F: unnest flattens arrays of arrays.
-- :user_ids, :message_ids, :labels, :history_ids, :deleted: arrays of equal length.
UPDATE messages AS m
SET labels = string_to_array(changed.labels, chr(31)),
    history_id = changed.history_id,
    deleted_at = CASE WHEN changed.deleted THEN coalesce(m.deleted_at, now()) END
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:labels AS text[]),
    CAST(:history_ids AS bigint[]), CAST(:deleted AS boolean[])
) AS changed (user_id, message_id, labels, history_id, deleted)
WHERE m.user_id = changed.user_id AND m.message_id = changed.message_id
