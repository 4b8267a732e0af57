-- Drop every view, table, sequence and function of ours. Extensions are not touched.
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT 'DROP ' || kind || ' IF EXISTS ' || name || ' CASCADE'
        FROM (
            SELECT
                c.oid,
                CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
                CAST(CAST(c.oid AS regclass) AS text) AS name,
                CASE c.relkind WHEN 'v' THEN 0 WHEN 'S' THEN 2 ELSE 1 END AS turn
            FROM pg_class AS c
            WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'S')
            UNION ALL
            SELECT p.oid, 'FUNCTION', CAST(CAST(p.oid AS regprocedure) AS text), 3
            FROM pg_proc AS p
            WHERE p.pronamespace = CAST('public' AS regnamespace) AND p.prokind = 'f'
        ) AS ours
        WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = ours.oid AND d.deptype = 'e')
        ORDER BY turn
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$
