-- Record the analysis of a segment.
-- :name, :segment_id, :versions, :size_bytes
INSERT INTO analyses (name, segment_id, versions, size_bytes)
VALUES (:name, :segment_id, CAST(:versions AS jsonb), :size_bytes)
