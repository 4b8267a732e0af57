-- Segments of a shard that were retired before a time, so that no reader uses their files.
-- :shard_id; :names: only of these; :before
SELECT name
FROM segments
WHERE shard_id = :shard_id AND name = ANY(:names) AND retired_at < :before
