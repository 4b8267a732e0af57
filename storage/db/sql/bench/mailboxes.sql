-- Create complete mailboxes, for a benchmark.
-- :shard_id, :mailboxes
INSERT INTO mailboxes (user_id, shard_id, email, phase, cursor, messages, synced_at)
SELECT number, :shard_id, 'user-' || number || '@example.com', 'current', 1000, 0, now()
FROM generate_series(1, :mailboxes) AS number
