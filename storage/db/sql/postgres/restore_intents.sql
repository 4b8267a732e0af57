-- Record that messages are about to be imported: before the calls. No row when a newer run works on the restore.
-- :restore_id, :run (of the caller), :message_ids, :history_id (or null): of before the first call; a later one does not
-- replace it. The lock makes the next run begin after this transaction, so that it finds the intents.
WITH mine AS (
    SELECT restore_id FROM restores WHERE restore_id = :restore_id AND runs = :run FOR SHARE
)
UPDATE restore_messages AS m
SET state = 'sent', attempts = attempts + 1, sent_at = now(), history_id = coalesce(history_id, :history_id)
FROM mine
WHERE m.restore_id = mine.restore_id AND message_id = ANY(:message_ids) AND state IN ('pending', 'sent')
RETURNING message_id
