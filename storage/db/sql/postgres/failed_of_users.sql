-- The failed items of these mailboxes, those that are tried next first.
-- :user_ids; :limit: rows.
SELECT f.user_id, f.message_id, f.kind, f.first_at, f.attempts, f.not_before, f.error
FROM failed_items AS f
WHERE f.user_id = ANY(:user_ids)
ORDER BY f.not_before, f.user_id, f.message_id
LIMIT :limit
