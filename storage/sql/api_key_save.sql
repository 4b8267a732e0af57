-- Record an API key.
-- :key_id, :user_id, :role, :secret_hash, :expires_at or null, :scopes or null for all
INSERT INTO api_keys (key_id, user_id, role, secret_hash, expires_at, scopes)
VALUES (:key_id, :user_id, :role, :secret_hash, :expires_at, CAST(:scopes AS text[]))
