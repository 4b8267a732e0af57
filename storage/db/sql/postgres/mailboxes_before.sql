-- The phases and errors of mailboxes, before a commit changes them.
-- :user_ids
SELECT user_id, phase, error FROM mailboxes WHERE user_id = ANY(CAST(:user_ids AS bigint[]))
