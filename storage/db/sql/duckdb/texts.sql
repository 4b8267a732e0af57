-- All searchable content of these messages (DuckDB).
-- $files: Parquet paths; $user_id; $message_ids; $first_at, $last_at: range of their received_at.
SELECT
    message_id, subject, "text", "from", "to", cc, bcc, list_id, rfc822_message_id,
    list_transform(attachments, lambda a: a.filename) AS filenames,
    list_transform(list_filter(headers, lambda h: lower(h.name) = 'delivered-to'), lambda h: h.value) AS delivered_to
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id
    AND received_at BETWEEN $first_at AND $last_at
    AND message_id IN (SELECT unnest($message_ids))
