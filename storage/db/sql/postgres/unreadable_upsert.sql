-- Keep what stood in an answer and could not be read.
-- arrays of equal length, each (user, item) once.
INSERT INTO unreadable_items (user_id, item, found_in)
SELECT * FROM unnest(CAST(:user_ids AS bigint[]), CAST(:items AS text[]), CAST(:places AS text[]))
ON CONFLICT (user_id, item) DO UPDATE
SET times = unreadable_items.times + 1, last_at = now(), found_in = excluded.found_in
