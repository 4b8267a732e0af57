-- Make mailboxes list all messages and reconcile them with the stored ones, whatever their cursors.
-- :shard_id; :user_ids: only these, or null for all
UPDATE mailboxes
SET cursor = NULL, pinned = NULL,
    phase = CASE WHEN phase IN ('revoked', 'stopped') THEN phase ELSE 'reconcile' END,
    resume = CASE WHEN phase IN ('revoked', 'stopped') THEN 'reconcile' END
WHERE shard_id = :shard_id AND (CAST(:user_ids AS bigint[]) IS NULL OR user_id = ANY(CAST(:user_ids AS bigint[])))
