-- Retired segments of a shard whose grace period is over, so that no reader uses their files.
-- :shard_id; :names: only of these; :grace_s
SELECT name
FROM segments
WHERE shard_id = :shard_id AND name = ANY(:names) AND retired_at < now() - make_interval(secs => :grace_s)
