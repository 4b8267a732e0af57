-- Create a mailbox's messages with a year of history, for a benchmark. Their files do not exist.
-- :user_id, :messages; :changed: number of messages that changed since they were stored, spread over the year
INSERT INTO messages
    (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes, sha256, segment_id, frame_offset,
     frame_bytes, raw_offset, stored_at, changed_at)
SELECT
    :user_id, number, number, 1000, now() - number * 7919 % :messages * interval '5 minutes',
    CASE WHEN number % 3 = 0 THEN ARRAY['INBOX', 'UNREAD'] ELSE ARRAY['INBOX'] END,
    5000, decode(repeat('00', 32), 'hex'), (SELECT max(segment_id) FROM segments), 0, 500000, 0,
    now() - interval '366 days',
    CASE WHEN number <= :changed THEN now() - (number * 0.6180339887 % 1) / 2 * interval '365 days' END
FROM generate_series(CAST(1 AS bigint), CAST(:messages AS bigint)) AS number
