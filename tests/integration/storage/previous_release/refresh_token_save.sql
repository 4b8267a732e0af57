-- Record a refresh token.
-- :token_hash, :family, :user_id, :role, :key_id or null, :ttl_s seconds
INSERT INTO refresh_tokens (token_hash, family, user_id, role, key_id, expires_at)
VALUES (:token_hash, CAST(:family AS uuid), :user_id, :role, :key_id, now() + make_interval(secs => :ttl_s))
