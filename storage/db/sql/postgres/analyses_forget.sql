-- Delete the rows of analyses that were retired before a time.
-- :shard_id, :before
DELETE FROM analyses AS a
USING segments AS s
WHERE s.shard_id = :shard_id AND a.segment_id = s.segment_id
    AND least(a.retired_at, s.retired_at) < :before
