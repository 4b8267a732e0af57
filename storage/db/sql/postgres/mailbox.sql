-- One mailbox's sync state.
-- :user_id
SELECT user_id, email, phase, cursor, pinned, estimate, messages, size_bytes, units, error, synced_at, resume, listed_at,
    reading_from, reconciled_at
FROM mailboxes
WHERE user_id = :user_id
