-- API keys with their owners, oldest first.
-- :user_id, or null for all users
SELECT k.key_id, k.user_id, u.email, k.role, k.created_at, k.expires_at, k.revoked_at, k.scopes, k.last_used_at
FROM api_keys AS k
JOIN users AS u USING (user_id)
WHERE CAST(:user_id AS bigint) IS NULL OR k.user_id = :user_id
ORDER BY k.created_at, k.key_id
