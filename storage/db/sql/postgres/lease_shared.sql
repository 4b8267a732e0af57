-- The shard of a mailbox, and whether others than its owner may write it here: no move or rebuild is under way. The share lock
-- makes moves and roll-ups wait for our transaction. No row: the mailbox was never opened.
-- :user_id
SELECT l.shard_id, l.cluster NOT IN ('gbm:moving', 'gbm:moved', 'gbm:arriving', 'unfinished rebuild') AS is_open
FROM mailboxes AS m
JOIN leases AS l ON l.shard_id = m.shard_id
WHERE m.user_id = :user_id
FOR SHARE OF l
