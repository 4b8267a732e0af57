-- Segments of a shard whose files no reader can be using any more.
-- :shard_id; :names: only of these; :grace_s
SELECT name
FROM segments
WHERE shard_id = :shard_id AND name = ANY(:names) AND retired_at < now() - make_interval(secs => :grace_s)
