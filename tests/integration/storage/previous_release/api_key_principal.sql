-- Who does this API key speak for, if it is alive?
-- :key_id, :secret_hash
SELECT u.user_id, u.email, u.shard_id, k.role
FROM api_keys AS k
JOIN users AS u USING (user_id)
WHERE k.key_id = :key_id AND k.secret_hash = :secret_hash AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now()) AND u.removed_at IS NULL
