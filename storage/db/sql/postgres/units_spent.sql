-- Quota units spent in total by the mailboxes of this database.
SELECT coalesce(sum(units), 0)::bigint AS units
FROM mailboxes
