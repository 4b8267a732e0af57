-- The mail of all mailboxes of these shards by Gmail's system labels. Labels of users are private and left out.
-- :shard_ids
SELECT
    s.label_id AS label,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.unread) AS bigint) AS unread,
    CAST(sum(s.size_bytes) AS bigint) AS size_bytes
FROM label_sums AS s
JOIN mailboxes AS b USING (user_id)
WHERE b.shard_id = ANY(CAST(:shard_ids AS integer[])) AND s.messages > 0 AND NOT starts_with(s.label_id, 'Label_')
GROUP BY 1
ORDER BY 1
