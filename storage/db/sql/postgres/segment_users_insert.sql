-- Record each user's share of a segment.
-- :segment_id and arrays of equal length.
INSERT INTO segment_users (segment_id, user_id, messages, size_bytes, first_at, last_at)
SELECT :segment_id, *
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:messages AS integer[]), CAST(:size_bytes AS bigint[]),
    CAST(:first_at AS timestamptz[]), CAST(:last_at AS timestamptz[])
)
