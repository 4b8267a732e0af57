-- The labels of a shard's mailboxes.
-- :shard_id
SELECT l.user_id, l.label_id, l.name, l.type, l.visibility, l.color
FROM labels AS l JOIN mailboxes AS m USING (user_id) WHERE m.shard_id = :shard_id ORDER BY l.user_id, l.label_id
