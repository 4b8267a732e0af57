-- Stop backing up a mailbox.
-- :user_id
UPDATE users SET removed_at = now() WHERE user_id = :user_id AND removed_at IS NULL
