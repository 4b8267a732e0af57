-- Record a segment; returns no row when it is already recorded.
-- :name, :shard_id, :epoch, :messages, :size_bytes, :raw_bytes, :parquet_bytes, :words_bytes, :defective
INSERT INTO segments (name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, words_bytes, defective)
VALUES (:name, :shard_id, :epoch, :messages, :size_bytes, :raw_bytes, :parquet_bytes, :words_bytes, :defective)
ON CONFLICT (name) DO NOTHING
RETURNING segment_id
