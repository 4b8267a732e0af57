-- Record a grant to read a mailbox.
-- :grant_id, :user_id, :grantee_id, :role, :reason, :ttl_s seconds, :may_restore
INSERT INTO grants (grant_id, user_id, grantee_id, role, reason, expires_at, may_restore)
VALUES (:grant_id, :user_id, :grantee_id, :role, :reason, now() + make_interval(secs => :ttl_s), :may_restore)
