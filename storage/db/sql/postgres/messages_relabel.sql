-- Write the folded state of changed messages. Labels travel as text joined by U+001F: unnest flattens arrays of arrays.
-- :user_ids, :message_ids, :labels, :history_ids, :confirmed (JSON or null), :deleted, :redeleted (by this commit):
-- arrays of equal length.
UPDATE messages AS m
SET labels = string_to_array(changed.labels, chr(31)),
    history_id = changed.history_id,
    fetched_history_id = coalesce(m.fetched_history_id, m.history_id),
    confirmed = CAST(changed.confirmed AS jsonb),
    changed_at = now(),
    deleted_at = CASE WHEN changed.redeleted THEN now() WHEN changed.deleted THEN m.deleted_at END
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:labels AS text[]),
    CAST(:history_ids AS bigint[]), CAST(:confirmed AS text[]),
    CAST(:deleted AS boolean[]), CAST(:redeleted AS boolean[])
) AS changed (user_id, message_id, labels, history_id, confirmed, deleted, redeleted)
WHERE m.user_id = changed.user_id AND m.message_id = changed.message_id
