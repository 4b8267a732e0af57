-- The SHA-256 of every message of a user, also of messages that Gmail no longer has.
-- :user_id
SELECT message_id, sha256 FROM messages WHERE user_id = :user_id
