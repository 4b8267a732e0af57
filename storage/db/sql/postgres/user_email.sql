-- The address of a mailbox. :user_id.
SELECT email FROM users WHERE user_id = :user_id
