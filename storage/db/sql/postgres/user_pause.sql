-- Pause or resume a mailbox; returns a row if the state changed. :user_id; :paused.
UPDATE users SET paused_at = CASE WHEN :paused THEN now() END
WHERE user_id = :user_id AND (paused_at IS NOT NULL) <> :paused
RETURNING email
