-- Version of a mailbox's data: every commit updates the mailbox's row in the same transaction as its other changes, so
-- the row's version identifies the data. Label names are updated separately. No row before the mailbox is opened.
-- :user_id
SELECT current_database() || ' ' || CAST(m.xmin AS text) || ' ' || coalesce((
    SELECT md5(string_agg(l.label_id || chr(31) || l.name, chr(30) ORDER BY l.label_id))
    FROM labels AS l
    WHERE l.user_id = m.user_id
), '')
FROM mailboxes AS m
WHERE m.user_id = :user_id
