-- Delete segments that were retired before a time unless messages refer to them; those rows locate the messages.
-- :shard_id, :before
DELETE FROM segments
WHERE shard_id = :shard_id AND moved_to IS NULL AND retired_at < :before
