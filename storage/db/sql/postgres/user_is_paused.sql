-- Whether the backup of a mailbox is paused. :user_id.
SELECT paused_at IS NOT NULL AS paused FROM users WHERE user_id = :user_id
