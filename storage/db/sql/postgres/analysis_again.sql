-- Forget a retired analysis whose file is to be named again.
-- :name
DELETE FROM analyses WHERE name = :name AND retired_at IS NOT NULL
