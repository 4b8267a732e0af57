-- Record a segment without readers: its files are deleted after the grace period, or never (:for_ever) if damaged.
-- :name, :shard_id, :epoch, :for_ever, :reason
INSERT INTO segments (
    name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, defective, retired_at, excluded
)
VALUES (
    :name, :shard_id, :epoch, 0, 0, 0, 0, 0, CASE WHEN :for_ever THEN CAST('infinity' AS timestamptz) ELSE now() END,
    :reason
)
ON CONFLICT (name) DO NOTHING
