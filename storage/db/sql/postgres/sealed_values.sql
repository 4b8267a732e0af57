-- Sealed values of a table in the order of their keys. {table}, {key}: the table and its primary key.
-- :after: the last key of the page before; :limit.
SELECT {key} AS key, sealed FROM {table} WHERE {key} > :after ORDER BY {key} LIMIT :limit
