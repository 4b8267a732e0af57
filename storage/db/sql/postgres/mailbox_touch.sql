-- Give a mailbox another version (mailbox_version.sql), because its data changed.
-- :user_id
UPDATE mailboxes SET synced_at = synced_at WHERE user_id = :user_id
