-- Every webhook that receives events; not those of removed accounts.
SELECT w.webhook_id, w.user_id, w.types
FROM webhooks AS w
JOIN users AS u USING (user_id)
WHERE w.disabled_at IS NULL AND u.removed_at IS NULL
