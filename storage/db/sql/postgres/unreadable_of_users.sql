-- What stood in Gmail's answers about these mailboxes and could not be read.
-- :user_ids; :limit: rows.
SELECT user_id, item, found_in, times, first_at, last_at
FROM unreadable_items
WHERE user_id = ANY(:user_ids)
ORDER BY last_at DESC, user_id, item
LIMIT :limit
