-- The states of these mailboxes.
-- :user_ids
SELECT user_id, email, phase, cursor, pinned, estimate, messages, size_bytes, units, error, synced_at, resume, listed_at,
    reading_from, reconciled_at
FROM mailboxes
WHERE user_id = ANY(:user_ids)
