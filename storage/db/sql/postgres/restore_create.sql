-- Record a restore; no row when one into the same mailbox has not ended.
-- :user_id, :target_id, :selection (JSON), :requested_by
INSERT INTO restores (user_id, target_id, selection, requested_by)
VALUES (:user_id, :target_id, CAST(:selection AS jsonb), :requested_by)
ON CONFLICT DO NOTHING
RETURNING restore_id
