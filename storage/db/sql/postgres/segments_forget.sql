-- Delete retired segments after the grace period unless messages refer to them; those rows locate the messages.
-- :shard_id, :grace_s
DELETE FROM segments
WHERE shard_id = :shard_id AND moved_to IS NULL AND retired_at < now() - make_interval(secs => :grace_s)
