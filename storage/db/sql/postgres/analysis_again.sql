-- Delete the row of a retired analysis whose file is recorded again.
-- :name
DELETE FROM analyses WHERE name = :name AND retired_at IS NOT NULL
