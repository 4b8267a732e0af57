-- End the session that a used token belongs to: all refresh tokens of its family, and the access tokens.
-- :token_hash
WITH stolen AS (
    SELECT family FROM refresh_tokens WHERE token_hash = :token_hash AND used_at IS NOT NULL
), ended AS (
    INSERT INTO ended_sessions (family) SELECT family FROM stolen ON CONFLICT (family) DO NOTHING
)
DELETE FROM refresh_tokens WHERE family = (SELECT family FROM stolen)
