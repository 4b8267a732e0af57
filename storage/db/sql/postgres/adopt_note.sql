-- When a segment was stored, and why compaction passes it over.
-- :segment_id, :created_at, :excluded
UPDATE segments SET created_at = :created_at, excluded = :excluded WHERE segment_id = :segment_id
