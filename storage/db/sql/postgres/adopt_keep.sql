-- Name a segment that nobody reads: after the grace its files go, or never (:for_ever), because they are damaged.
-- :name, :shard_id, :epoch, :for_ever, :reason
INSERT INTO segments (
    name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, defective, retired_at, excluded
)
VALUES (
    :name, :shard_id, :epoch, 0, 0, 0, 0, 0, CASE WHEN :for_ever THEN CAST('infinity' AS timestamptz) ELSE now() END,
    :reason
)
ON CONFLICT (name) DO NOTHING
