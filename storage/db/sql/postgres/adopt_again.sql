-- Make damaged segments eligible for another try: their files may have been restored.
-- :shard_id
DELETE FROM segments WHERE shard_id = :shard_id AND retired_at = 'infinity'
