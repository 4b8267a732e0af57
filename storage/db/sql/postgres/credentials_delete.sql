-- Delete the credentials of a mailbox. :user_id.
DELETE FROM credentials WHERE user_id = :user_id
