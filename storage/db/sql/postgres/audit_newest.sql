-- The audit log before an entry, newest first.
-- :before_id: entry id; :action, :by, :since: null: all; :limit: rows
SELECT entry_id, at, actor, action, subject, detail
FROM audit
WHERE entry_id < :before_id AND (CAST(:action AS text) IS NULL OR action = :action)
    AND (CAST(:by AS text) IS NULL OR actor = :by)
    AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
ORDER BY entry_id DESC
LIMIT :limit
