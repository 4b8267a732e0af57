-- The owner of a live API key. Updates last_used_at at most once a minute.
-- left_s: seconds until it expires; null: it does not.
-- :key_id, :secret_hash
WITH found AS (
    SELECT u.user_id, u.email, u.shard_id, k.role, k.scopes, k.key_id, k.last_used_at,
        extract(epoch FROM k.expires_at - now()) AS left_s
    FROM api_keys AS k
    JOIN users AS u USING (user_id)
    WHERE k.key_id = :key_id AND k.secret_hash = :secret_hash AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now()) AND u.removed_at IS NULL
), noted AS (
    UPDATE api_keys AS k SET last_used_at = now()
    FROM found AS f
    WHERE k.key_id = f.key_id AND (f.last_used_at IS NULL OR f.last_used_at < now() - interval '1 minute')
)
SELECT user_id, email, shard_id, role, scopes, key_id, left_s FROM found
