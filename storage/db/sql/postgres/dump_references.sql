-- Which table's rows refer to which table's.
SELECT CAST(CAST(conrelid AS regclass) AS text) AS child, CAST(CAST(confrelid AS regclass) AS text) AS parent
FROM pg_constraint
WHERE contype = 'f'
