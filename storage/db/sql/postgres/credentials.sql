-- The sealed credentials of a mailbox. :user_id.
SELECT sealed FROM credentials WHERE user_id = :user_id
