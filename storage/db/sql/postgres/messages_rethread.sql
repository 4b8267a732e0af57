-- Move messages to other threads; returns those that were in another one. The labels' state does not change.
-- :user_ids, :message_ids, :thread_ids: arrays of equal length.
UPDATE messages AS m
SET thread_id = mended.thread_id
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:thread_ids AS bigint[])
) AS mended (user_id, message_id, thread_id)
WHERE m.user_id = mended.user_id AND m.message_id = mended.message_id AND m.thread_id <> mended.thread_id
RETURNING m.user_id, m.message_id
