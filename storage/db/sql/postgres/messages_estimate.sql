-- Estimated number of messages in the index: from its statistics, or else from its size at 250 bytes per message.
SELECT CAST(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE pg_relation_size(c.oid) / 250 END AS bigint)
FROM pg_class AS c
WHERE c.oid = CAST('messages' AS regclass)
