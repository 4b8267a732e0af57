-- Back a mailbox up no more.
-- :user_id
UPDATE users SET removed_at = now() WHERE user_id = :user_id AND removed_at IS NULL
