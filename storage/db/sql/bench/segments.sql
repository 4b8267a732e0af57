-- Create segments of consecutive weeks over ten years, for a benchmark. Their files do not exist.
-- :shard_id; :segments: how many
INSERT INTO segments
    (name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, words_bytes, defective, created_at)
SELECT
    'bench/' || number, :shard_id, 1, 4000, 20000000, 6000000, 4000000, 2000000, 0,
    now() - (:segments - number) * interval '3652 days' / :segments
FROM generate_series(CAST(1 AS bigint), CAST(:segments AS bigint)) AS number
