-- Create the same number of stored messages in each of these mailboxes, for a benchmark. Their files do not exist.
-- :first, :last: user ids; :known: messages of each
INSERT INTO messages
    (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes, sha256, segment_id, frame_offset,
     frame_bytes, raw_offset)
SELECT user_id, message_id, message_id, 1000, now() - message_id * interval '1 minute', ARRAY['INBOX', 'UNREAD'], 5000,
       decode(repeat('00', 32), 'hex'), 1, 0, 500000, 0
FROM generate_series(CAST(:first AS bigint), :last) AS user_id, generate_series(CAST(1 AS bigint), :known) AS message_id
