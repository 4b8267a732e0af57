-- Forget long retired segments that no message names; the others' rows say where their messages lie.
-- :shard_id, :grace_s
DELETE FROM segments
WHERE shard_id = :shard_id AND moved_to IS NULL AND retired_at < now() - make_interval(secs => :grace_s)
