-- The partitions of a table: names, and bounds in Postgres's notation.
-- :table
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(:table)
ORDER BY c.relname
