-- The recorded analyses of a shard, and whether each was retired before a time.
-- :shard_id, :before
SELECT a.name, coalesce(least(a.retired_at, s.retired_at) < :before, false) AS is_past
FROM segments AS s
JOIN analyses AS a USING (segment_id)
WHERE s.shard_id = :shard_id
