-- State of a shard's messages stored or changed since a time. Labels: null when equal to the segment file's.
-- :shard_id, :since
SELECT s.user_id, s.message_id, s.history_id, CASE WHEN s.changed_at IS NOT NULL THEN s.labels END AS labels,
    s.stored_at, s.changed_at, s.deleted_at
FROM messages AS s JOIN mailboxes AS m USING (user_id)
WHERE m.shard_id = :shard_id
    AND (s.stored_at >= CAST(:since AS timestamptz) OR s.changed_at >= CAST(:since AS timestamptz))
