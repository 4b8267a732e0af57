-- Set when a segment was stored, and why compaction skips it.
-- :segment_id, :created_at, :excluded
UPDATE segments SET created_at = :created_at, excluded = :excluded WHERE segment_id = :segment_id
