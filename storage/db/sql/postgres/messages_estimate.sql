-- About how many messages the index holds: as of its last statistics, or else by its size at 250 bytes each.
SELECT CAST(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE pg_relation_size(c.oid) / 250 END AS bigint)
FROM pg_class AS c
WHERE c.oid = CAST('messages' AS regclass)
