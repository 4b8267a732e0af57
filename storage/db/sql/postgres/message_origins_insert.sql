-- Record where messages came from.
-- :user_id, :import_id, :positions, :message_ids, :origins, :kinds: arrays of equal length
INSERT INTO message_origins (user_id, import_id, position, message_id, origin, known_by)
SELECT :user_id, :import_id, o.position, o.message_id, o.origin, o.known_by
FROM unnest(
    CAST(:positions AS bigint[]), CAST(:message_ids AS bigint[]), CAST(:origins AS text[]), CAST(:kinds AS text[])
) AS o (position, message_id, origin, known_by)
ON CONFLICT (user_id, import_id, position) DO UPDATE
SET message_id = excluded.message_id, origin = excluded.origin, known_by = excluded.known_by
