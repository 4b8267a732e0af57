-- Record what became of messages.
-- :restore_id, and arrays of equal length. A detail that is null leaves what is there; what has ended stays as it is.
UPDATE restore_messages AS m
SET state = o.state, new_id = coalesce(o.new_id, m.new_id), new_thread = coalesce(o.new_thread, m.new_thread),
    detail = coalesce(o.detail, m.detail)
FROM unnest(
    CAST(:message_ids AS bigint[]), CAST(:states AS text[]), CAST(:new_ids AS bigint[]), CAST(:new_threads AS bigint[]),
    CAST(:details AS text[])
) AS o (message_id, state, new_id, new_thread, detail)
WHERE m.restore_id = :restore_id AND m.message_id = o.message_id AND m.state IN ('pending', 'sent', 'relabel')
