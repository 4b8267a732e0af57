-- Record the messages of a restore; those that are recorded already stay as they are.
-- :restore_id, and arrays of equal length; :labels: of each message, joined by a line feed
INSERT INTO restore_messages (restore_id, message_id, position, thread_id, received_at, sha256, size_bytes, labels,
    state, new_id, new_thread, detail)
SELECT :restore_id, p.message_id, p.position, p.thread_id, p.received_at, p.sha256, p.size_bytes,
    string_to_array(p.labels, E'\n'), p.state, p.new_id, p.new_thread, p.detail
FROM unnest(
    CAST(:message_ids AS bigint[]), CAST(:positions AS integer[]), CAST(:thread_ids AS bigint[]),
    CAST(:received_ats AS timestamptz[]), CAST(:sha256s AS bytea[]), CAST(:sizes AS bigint[]), CAST(:labels AS text[]),
    CAST(:states AS text[]), CAST(:new_ids AS bigint[]), CAST(:new_threads AS bigint[]), CAST(:details AS text[])
) AS p (message_id, position, thread_id, received_at, sha256, size_bytes, labels, state, new_id, new_thread, detail)
ON CONFLICT DO NOTHING
