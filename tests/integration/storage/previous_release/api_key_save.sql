-- Record an API key.
-- :key_id, :user_id, :role, :secret_hash, :expires_at or null
INSERT INTO api_keys (key_id, user_id, role, secret_hash, expires_at)
VALUES (:key_id, :user_id, :role, :secret_hash, :expires_at)
