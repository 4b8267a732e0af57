-- Revoke an API key (of a user).
-- :key_id; :user_id, or null for any user
UPDATE api_keys SET revoked_at = now()
WHERE key_id = :key_id AND revoked_at IS NULL AND (CAST(:user_id AS bigint) IS NULL OR user_id = :user_id)
