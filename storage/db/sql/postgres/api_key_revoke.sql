-- End an API key (of a user), and every key that was made with it, directly or not; the keys that ended.
-- :key_id; :user_id, or null for anybody's
WITH RECURSIVE derived AS (
    SELECT key_id
    FROM api_keys
    WHERE key_id = :key_id AND revoked_at IS NULL AND (CAST(:user_id AS bigint) IS NULL OR user_id = :user_id)
    UNION
    SELECT k.key_id
    FROM api_keys AS k
    JOIN derived AS d ON k.maker = d.key_id
)
UPDATE api_keys SET revoked_at = now()
WHERE key_id IN (SELECT key_id FROM derived) AND revoked_at IS NULL
RETURNING key_id, user_id
