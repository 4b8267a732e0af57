-- Record a refresh token.
-- :token_hash, :family, :user_id, :role, :scopes or null for all, :key_id or null, :ttl_s seconds
INSERT INTO refresh_tokens (token_hash, family, user_id, role, scopes, key_id, expires_at)
VALUES (
    :token_hash, CAST(:family AS uuid), :user_id, :role, CAST(:scopes AS text[]), :key_id,
    now() + make_interval(secs => :ttl_s)
)
