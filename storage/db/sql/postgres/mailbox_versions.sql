-- mailbox_version.sql for several mailboxes. No row for a mailbox that was not opened.
-- :user_ids
SELECT m.user_id, current_database() || ' ' || CAST(m.xmin AS text) || ' ' || coalesce((
    SELECT md5(string_agg(l.label_id || chr(31) || l.name, chr(30) ORDER BY l.label_id))
    FROM labels AS l
    WHERE l.user_id = m.user_id
), '') AS version
FROM unnest(CAST(:user_ids AS bigint[])) AS wanted (user_id)
JOIN mailboxes AS m USING (user_id)
