-- Our tables with their columns, in order; of a partitioned one the whole, not its partitions.
SELECT c.relname AS table, array_agg(CAST(a.attname AS text) ORDER BY a.attnum) AS columns
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> 'alembic_version'
GROUP BY c.relname
ORDER BY c.relname
