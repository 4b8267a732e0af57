-- Users of whom a roll-up tells of messages that no file has.
SELECT DISTINCT r.user_id FROM rolled_states AS r
LEFT JOIN messages AS m USING (user_id, message_id) WHERE m.user_id IS NULL
