-- The recorded analyses of a shard, and whether the grace period of each retired one is over.
-- :shard_id, :grace_s
SELECT a.name, coalesce(least(a.retired_at, s.retired_at) < now() - make_interval(secs => :grace_s), false) AS is_past
FROM segments AS s
JOIN analyses AS a USING (segment_id)
WHERE s.shard_id = :shard_id
