-- The number of mailboxes of these shards by powers of ten of their messages; 0: empty mailboxes.
-- :shard_ids
SELECT
    CAST(CASE WHEN m.messages > 0 THEN power(10, floor(log(m.messages))) ELSE 0 END AS bigint) AS at_least,
    count(*) AS mailboxes,
    CAST(sum(m.messages) AS bigint) AS messages,
    CAST(sum(m.size_bytes) AS bigint) AS size_bytes
FROM mailboxes AS m
WHERE m.shard_id = ANY(CAST(:shard_ids AS integer[]))
GROUP BY 1
ORDER BY 1
