-- The audit log after an entry, oldest first.
-- :after: entry id; :limit: rows.
SELECT entry_id, at, actor, action, subject, detail
FROM audit
WHERE entry_id > :after
ORDER BY entry_id
LIMIT :limit
