-- The webhooks of a user, oldest first.
-- :user_id
SELECT webhook_id, user_id, url, types, created_at, disabled_at, disabled_reason
FROM webhooks
WHERE user_id = :user_id
ORDER BY created_at, webhook_id
