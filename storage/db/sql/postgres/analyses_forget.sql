-- Delete the rows of analyses retired longer ago than the grace period.
-- :shard_id, :grace_s
DELETE FROM analyses AS a
USING segments AS s
WHERE s.shard_id = :shard_id AND a.segment_id = s.segment_id
    AND least(a.retired_at, s.retired_at) < now() - make_interval(secs => :grace_s)
