-- Every message of a mailbox that Gmail still has as far as is known: its id, thread, SHA-256 and labels.
-- :user_id
SELECT message_id, thread_id, sha256, labels FROM messages WHERE user_id = :user_id AND deleted_at IS NULL
