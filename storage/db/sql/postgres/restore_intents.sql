-- Record that messages are about to be imported: before the calls.
-- :restore_id, :message_ids, :history_id (or null): of before the first call; a later one does not replace it
UPDATE restore_messages
SET state = 'sent', attempts = attempts + 1, sent_at = now(), history_id = coalesce(history_id, :history_id)
WHERE restore_id = :restore_id AND message_id = ANY(:message_ids) AND state IN ('pending', 'sent')
RETURNING message_id
