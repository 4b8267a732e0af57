-- Who wrote each message of these files, and to whom the owner wrote (DuckDB). Addresses are hashes.
-- $files: Parquet paths; $user_id; $owner: the owner's address, in lower case; $recipients: the most of one message
SELECT
    message_id,
    thread_id,
    epoch_ms(received_at) AS received_ms,
    CASE WHEN contains(from_address, '@') THEN hash(from_address) END AS sender,
    contains($owner, '@') AND from_address <> $owner
        AND ends_with(from_address, regexp_extract($owner, '@[^@]*$')) AS is_same_domain,
    list_contains(labels, 'SENT') AS is_sent,
    CASE WHEN list_contains(labels, 'SENT') THEN list_transform(
        list_filter(
            list_distinct(list_transform(
                list_concat("to", cc, bcc)[:$recipients],
                lambda shown: lower(CASE WHEN ends_with(shown, '>') THEN regexp_extract(shown, '<([^<>]*)>$', 1) ELSE shown END)
            )),
            lambda address: contains(address, '@')
        ),
        lambda address: hash(address)
    ) END AS written
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id
