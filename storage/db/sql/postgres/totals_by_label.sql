-- What Gmail's own labels are on in all mailboxes of these shards. People's own labels are theirs to name.
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
