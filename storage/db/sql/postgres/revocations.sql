-- Revoked access tokens that have not expired: of a user before a time, of a key, of a grant.
-- :horizon_s: longest lifetime of an access token in seconds
SELECT 'user' AS kind, CAST(user_id AS text) AS name, extract(epoch FROM tokens_not_before) AS until
FROM users WHERE tokens_not_before > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'user', CAST(user_id AS text), extract(epoch FROM removed_at) + 1
FROM users WHERE removed_at > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'key', key_id, extract(epoch FROM revoked_at) + 1
FROM api_keys WHERE revoked_at > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'grant', grant_id, extract(epoch FROM revoked_at) + 1
FROM grants WHERE revoked_at > now() - make_interval(secs => :horizon_s)
