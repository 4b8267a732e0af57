-- Our tables with their columns, in order; a partitioned table as a whole, without its partitions. The counts of
-- messages are omitted: triggers create them again as messages are inserted.
SELECT c.relname AS table, array_agg(CAST(a.attname AS text) ORDER BY a.attnum) AS columns
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname NOT IN ('alembic_version', 'message_slots', 'message_days', 'label_sums')
GROUP BY c.relname
ORDER BY c.relname
