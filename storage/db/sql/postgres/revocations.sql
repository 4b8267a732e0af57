-- What access tokens are worth nothing although they have not expired: of a user before a time, of a key, grant, session.
-- What has ended for good is revoked whenever its token was issued: clocks of replicas may be ahead of this one.
-- :horizon_s: seconds that an access token lives at most
SELECT 'user' AS kind, CAST(user_id AS text) AS name, extract(epoch FROM tokens_not_before) AS until
FROM users WHERE tokens_not_before > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'user', CAST(user_id AS text), CAST('infinity' AS double precision)
FROM users WHERE removed_at > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'key', key_id, CAST('infinity' AS double precision)
FROM api_keys WHERE revoked_at > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'grant', grant_id, CAST('infinity' AS double precision)
FROM grants WHERE revoked_at > now() - make_interval(secs => :horizon_s)
UNION ALL
SELECT 'session', CAST(family AS text), CAST('infinity' AS double precision)
FROM ended_sessions WHERE ended_at > now() - make_interval(secs => :horizon_s)
