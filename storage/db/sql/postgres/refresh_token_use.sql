-- Use a live refresh token that was not used before. A token issued for an API key ends with the key.
-- left_s: seconds until that key expires; null: it does not, or there is none.
-- :token_hash
UPDATE refresh_tokens AS t
SET used_at = now()
FROM users AS u
WHERE t.token_hash = :token_hash AND t.used_at IS NULL AND t.expires_at > now()
    AND u.user_id = t.user_id AND u.removed_at IS NULL
    AND (
        t.key_id IS NULL
        OR EXISTS (
            SELECT
            FROM api_keys AS k
            WHERE k.key_id = t.key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
        )
    )
RETURNING u.user_id, u.email, u.shard_id, t.role, t.scopes, t.key_id, t.family,
    (SELECT extract(epoch FROM k.expires_at - now()) FROM api_keys AS k WHERE k.key_id = t.key_id) AS left_s
