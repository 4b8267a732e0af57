-- Record a restore; no row when one into the same mailbox has not ended, or the same request began one.
-- :user_id, :target_id, :selection (JSON), :requested_by, :grant_id (or null), :request_key (or null)
INSERT INTO restores (user_id, target_id, selection, requested_by, grant_id, request_key)
VALUES (:user_id, :target_id, CAST(:selection AS jsonb), :requested_by, :grant_id, :request_key)
ON CONFLICT DO NOTHING
RETURNING restore_id
