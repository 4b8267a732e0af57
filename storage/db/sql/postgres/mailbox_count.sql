-- Add imported messages to a mailbox's counts.
-- :user_id, :messages, :size_bytes
UPDATE mailboxes SET messages = messages + :messages, size_bytes = size_bytes + :size_bytes WHERE user_id = :user_id
