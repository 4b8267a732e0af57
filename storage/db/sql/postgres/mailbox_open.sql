-- Create a mailbox's row if it is missing; a renewed grant ends the phase 'revoked'.
-- :user_id, :shard_id, :email
INSERT INTO mailboxes (user_id, shard_id, email)
VALUES (:user_id, :shard_id, :email)
ON CONFLICT (user_id) DO UPDATE
SET phase = CASE
        WHEN mailboxes.phase <> 'revoked' THEN mailboxes.phase
        WHEN mailboxes.resume IS NOT NULL THEN mailboxes.resume
        WHEN mailboxes.cursor IS NULL THEN 'new'
        ELSE 'current'
    END,
    resume = CASE WHEN mailboxes.phase <> 'revoked' THEN mailboxes.resume END,
    error = NULL
