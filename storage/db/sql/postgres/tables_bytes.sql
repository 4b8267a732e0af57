-- Size in bytes of all our tables, without their indexes.
SELECT CAST(coalesce(sum(pg_table_size(c.oid)), 0) AS bigint)
FROM pg_class AS c
WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind = 'r'
