-- Mailboxes by id after a user id, removed mailboxes included.
-- :after: user id; :limit: rows
SELECT user_id, email, shard_id, created_at, removed_at FROM users WHERE user_id > :after ORDER BY user_id LIMIT :limit
