-- Update the locations of re-packed messages, which are locked.
-- :segment_id and arrays of equal length.
UPDATE messages AS m
SET segment_id = :segment_id, frame_offset = moved.frame_offset, frame_bytes = moved.frame_bytes,
    raw_offset = moved.raw_offset
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:frame_offsets AS bigint[]),
    CAST(:frame_bytes AS integer[]), CAST(:raw_offsets AS integer[])
) AS moved (user_id, message_id, frame_offset, frame_bytes, raw_offset)
WHERE m.user_id = moved.user_id AND m.message_id = moved.message_id
