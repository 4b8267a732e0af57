-- The foreign keys between tables.
SELECT CAST(CAST(conrelid AS regclass) AS text) AS child, CAST(CAST(confrelid AS regclass) AS text) AS parent
FROM pg_constraint
WHERE contype = 'f'
