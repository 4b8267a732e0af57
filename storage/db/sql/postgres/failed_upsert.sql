-- Record messages that could not be fetched.
-- arrays of equal length.
INSERT INTO failed_items (user_id, message_id, attempts, error, not_before)
SELECT *
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:attempts AS integer[]),
    CAST(:errors AS text[]), CAST(:not_before AS timestamptz[])
)
ON CONFLICT (user_id, message_id) DO UPDATE
SET attempts = excluded.attempts, error = excluded.error, not_before = excluded.not_before
