-- What earlier restores of an archive have imported into a mailbox: ids in the archive and there.
-- :user_id, :target_id
SELECT m.message_id, m.new_id
FROM restores AS r
JOIN restore_messages AS m ON m.restore_id = r.restore_id
WHERE r.user_id = :user_id AND r.target_id = :target_id AND m.state = 'done' AND m.new_id IS NOT NULL
ORDER BY m.message_id, m.new_id
