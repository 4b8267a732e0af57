-- The labels of a mailbox.
-- :user_id
SELECT label_id, name, type FROM labels WHERE user_id = :user_id ORDER BY type, name, label_id
