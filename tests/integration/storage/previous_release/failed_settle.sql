-- Take messages off the failed list.
-- :user_ids, :message_ids: arrays of equal length.
DELETE FROM failed_items AS f
USING unnest(CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[])) AS done (user_id, message_id)
WHERE f.user_id = done.user_id AND f.message_id = done.message_id
