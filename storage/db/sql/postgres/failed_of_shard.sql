-- Every failed item of a shard's mailboxes.
-- :shard_id
SELECT f.user_id, f.message_id, f.attempts, f.error, f.not_before, f.kind, f.first_at
FROM failed_items AS f
JOIN mailboxes AS m USING (user_id)
WHERE m.shard_id = :shard_id
ORDER BY f.user_id, f.message_id
