-- Replace a sealed value unless it changed meanwhile. {table}, {key}: the table and its primary key.
-- :key, :old, :sealed
UPDATE {table} SET sealed = :sealed WHERE {key} = :key AND sealed = :old
