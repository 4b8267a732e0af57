-- Record an API key, which ends no later than the one that it was made with, and not at all if that one has ended.
-- :key_id, :user_id, :role, :secret_hash, :expires_at or null, :scopes or null for all
-- :maker: the key that it was made with, or null; :most: live keys that a user may have, or null for any number
WITH maker AS (
    -- Locked, so that its revocation finds this key.
    SELECT m.key_id, m.expires_at FROM api_keys AS m WHERE m.key_id = :maker AND m.revoked_at IS NULL FOR SHARE
)
INSERT INTO api_keys (key_id, user_id, role, secret_hash, expires_at, scopes, maker)
SELECT
    :key_id, :user_id, :role, CAST(:secret_hash AS bytea),
    least(CAST(:expires_at AS timestamptz), (SELECT m.expires_at FROM maker AS m)),
    CAST(:scopes AS text[]), CAST(:maker AS text)
WHERE (CAST(:maker AS text) IS NULL OR EXISTS (SELECT FROM maker))
    AND (CAST(:most AS integer) IS NULL OR :most > (
        SELECT count(*) FROM api_keys AS k
        WHERE k.user_id = :user_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    ))
