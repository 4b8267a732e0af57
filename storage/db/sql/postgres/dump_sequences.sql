-- The sequences of ids, their last values (null: never used), and their columns.
SELECT
    CAST(s.oid AS regclass)::text AS sequence,
    pg_sequence_last_value(s.oid) AS last,
    t.relname AS table,
    a.attname AS column
FROM pg_class AS s
JOIN pg_depend AS d
    ON d.classid = CAST('pg_class' AS regclass) AND d.objid = s.oid
    AND d.refclassid = CAST('pg_class' AS regclass) AND d.deptype IN ('a', 'i')
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relnamespace = CAST('public' AS regnamespace) AND s.relkind = 'S'
