-- Number of messages of a user in the message index.
-- :user_id
SELECT count(*) FROM messages WHERE user_id = :user_id
