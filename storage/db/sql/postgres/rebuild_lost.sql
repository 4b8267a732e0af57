-- Users for whom a roll-up lists messages that no file contains.
SELECT DISTINCT r.user_id FROM rolled_states AS r
LEFT JOIN messages AS m USING (user_id, message_id) WHERE m.user_id IS NULL
