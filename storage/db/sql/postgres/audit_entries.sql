-- The audit log after an entry, oldest first.
-- :after: entry id; :action: null: all; :limit: rows.
SELECT entry_id, at, actor, action, subject, detail
FROM audit
WHERE entry_id > :after AND (CAST(:action AS text) IS NULL OR action = :action)
ORDER BY entry_id
LIMIT :limit
