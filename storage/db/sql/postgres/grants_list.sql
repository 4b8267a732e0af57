-- Grants that a user has received, or that give access to a user's mailbox, or all; newest first.
-- :person: a user's id, or null for all; :grant_id: one, or null; :limit: rows
SELECT g.grant_id, u.user_id, u.email, u.shard_id, b.user_id AS grantee_id, b.email AS grantee, g.role, g.reason,
    g.created_at, g.expires_at, g.revoked_at, g.revoked_at IS NULL AND g.expires_at > now() AND u.removed_at IS NULL
    AND b.removed_at IS NULL AS alive, extract(epoch FROM g.expires_at - now()) AS left_s, g.may_restore
FROM grants AS g
JOIN users AS u ON u.user_id = g.user_id
JOIN users AS b ON b.user_id = g.grantee_id
WHERE (CAST(:person AS bigint) IS NULL OR :person IN (g.user_id, g.grantee_id))
    AND (CAST(:grant_id AS text) IS NULL OR g.grant_id = :grant_id)
ORDER BY g.created_at DESC, g.grant_id
LIMIT :limit
