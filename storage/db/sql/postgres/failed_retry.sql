-- Have the failed items of these mailboxes tried again now.
-- :user_ids
UPDATE failed_items
SET not_before = now(), kind = CASE WHEN kind = 'suspect' THEN 'check' ELSE kind END
WHERE user_id = ANY(:user_ids)
