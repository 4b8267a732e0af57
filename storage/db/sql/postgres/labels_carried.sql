-- Labels that a mailbox's messages carry.
-- :user_id
SELECT label_id FROM label_sums WHERE user_id = :user_id AND messages > 0 ORDER BY label_id
