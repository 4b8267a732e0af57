-- Have segments that were damaged tried again: their files may have been restored.
-- :shard_id
DELETE FROM segments WHERE shard_id = :shard_id AND retired_at = 'infinity'
