-- Use up a refresh token that is alive and was not used before.
-- :token_hash
UPDATE refresh_tokens AS t
SET used_at = now()
FROM users AS u
WHERE t.token_hash = :token_hash AND t.used_at IS NULL AND t.expires_at > now()
    AND u.user_id = t.user_id AND u.removed_at IS NULL
RETURNING u.user_id, u.email, u.shard_id, t.role, t.family, t.key_id
