-- Create messages of one mailbox after another, in segments of a thousand, in the first schema, for a benchmark; every
-- tenth message has label events.
-- :messages, :users
WITH made AS (
    INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes, sha256,
        segment_id, frame_offset, frame_bytes, raw_offset)
    SELECT 1 + n % :users, n, n / 3, n, TIMESTAMPTZ '2020-01-01 00:00:00Z' + n * interval '3 minutes',
        CASE n % 4 WHEN 0 THEN ARRAY['INBOX', 'UNREAD'] WHEN 1 THEN ARRAY['SENT'] ELSE ARRAY['INBOX', 'Label_1'] END,
        5000, sha256(CAST(CAST(n AS text) AS bytea)), 1 + n / 1000, (n % 1000) * 1000, 500000, 0
    FROM generate_series(0, :messages - 1) AS n
    RETURNING 1
), segment AS (
    INSERT INTO segments (name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, defective, created_at)
    SELECT '0000/bench-' || s, 0, 1, 1000, 5000000, 1000000, 100000, 0, now()
    FROM generate_series(0, (:messages - 1) / 1000) AS s
    RETURNING 1
)
INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id, observed_at)
SELECT 1 + n % :users, n, 'STARRED', k % 2 = 0, n + k, now()
FROM generate_series(0, :messages - 1, 10) AS n, generate_series(0, 2) AS k
