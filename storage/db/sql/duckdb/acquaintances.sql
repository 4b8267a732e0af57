-- What the mailbox knew of the writer of each message when the message arrived (DuckDB): one row per message.
-- contacts: rows of contacts_of_files.sql; mended: {message_id, thread_id} of messages of other threads than their files
-- name
WITH mail AS (
    SELECT c.* REPLACE (coalesce(mended.thread_id, c.thread_id) AS thread_id)
    FROM contacts AS c
    LEFT JOIN mended ON mended.message_id = c.message_id
),
events AS (
    SELECT sender AS address, received_ms, message_id, FALSE AS is_written FROM mail WHERE sender IS NOT NULL
    UNION ALL
    SELECT unnest(written), received_ms, message_id, TRUE FROM mail WHERE is_sent
),
counted AS (
    SELECT message_id, is_written,
        count(*) FILTER (WHERE NOT is_written) OVER earlier AS received_before,
        count(*) FILTER (WHERE is_written) OVER earlier AS written_before
    FROM events
    WINDOW earlier AS (
        PARTITION BY address ORDER BY received_ms, message_id, is_written
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
threads AS (
    SELECT message_id, count(*) FILTER (WHERE is_sent) OVER (
        PARTITION BY thread_id ORDER BY received_ms, message_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS written_in_thread
    FROM mail
)
SELECT
    m.message_id,
    m.sender,
    coalesce(c.received_before, 0) AS received_before,
    coalesce(c.written_before, 0) AS written_before,
    t.written_in_thread,
    m.is_same_domain,
    m.is_sent
FROM mail AS m
JOIN threads AS t ON t.message_id = m.message_id
LEFT JOIN counted AS c ON c.message_id = m.message_id AND NOT c.is_written
