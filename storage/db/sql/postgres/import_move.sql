-- Record how far an import is; no row if another run of it was faster.
-- :user_id, :import_id, :first (position before), :position, :stored, :duplicates, :ended
UPDATE imports
SET position = :position, stored = stored + :stored, duplicates = duplicates + :duplicates,
    ended_at = CASE WHEN :ended THEN now() END
WHERE user_id = :user_id AND import_id = :import_id AND position = :first
