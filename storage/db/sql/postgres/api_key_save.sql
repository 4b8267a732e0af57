-- Record an API key; it expires no later than the key that created it.
-- :key_id, :user_id, :role, :secret_hash, :expires_at or null, :scopes or null for all
-- :maker: the key that created it, or null; :most: limit of live keys per user, or null for no limit
INSERT INTO api_keys (key_id, user_id, role, secret_hash, expires_at, scopes)
SELECT
    :key_id, :user_id, :role, CAST(:secret_hash AS bytea),
    least(CAST(:expires_at AS timestamptz), (SELECT m.expires_at FROM api_keys AS m WHERE m.key_id = :maker)),
    CAST(:scopes AS text[])
WHERE CAST(:most AS integer) IS NULL OR :most > (
    SELECT count(*) FROM api_keys AS k
    WHERE k.user_id = :user_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
)
