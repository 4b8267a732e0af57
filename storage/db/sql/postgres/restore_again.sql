-- Try the failed messages of a restore again: those that were sent once are looked for first.
-- :restore_id
UPDATE restore_messages
SET state = CASE WHEN new_id IS NOT NULL THEN 'relabel' WHEN attempts > 0 THEN 'sent' ELSE 'pending' END
WHERE restore_id = :restore_id AND state = 'failed'
