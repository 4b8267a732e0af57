-- What a mailbox's answers depend on: every commit writes its row, in the same transaction as everything else that it
-- makes visible, so the row's version is the mailbox's; names of labels are written apart. None before it is opened.
-- :user_id
SELECT current_database() || ' ' || CAST(m.xmin AS text) || ' ' || coalesce((
    SELECT md5(string_agg(l.label_id || chr(31) || l.name, chr(30) ORDER BY l.label_id))
    FROM labels AS l
    WHERE l.user_id = m.user_id
), '')
FROM mailboxes AS m
WHERE m.user_id = :user_id
