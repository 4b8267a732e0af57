-- Users who have mail in a shard but no mailbox.
-- :shard_id
SELECT DISTINCT u.user_id FROM segment_users AS u JOIN segments AS s USING (segment_id)
LEFT JOIN mailboxes AS m USING (user_id) WHERE s.shard_id = :shard_id AND m.user_id IS NULL ORDER BY u.user_id
