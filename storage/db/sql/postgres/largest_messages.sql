-- The largest selected messages with their locations.
-- :limit: rows. {selected}: selected.sql
SELECT m.message_id, m.thread_id, m.received_at, m.size_bytes, s.name AS segment
FROM {selected} AS m
JOIN segment_files AS s USING (segment_id)
ORDER BY m.size_bytes DESC, m.message_id
LIMIT :limit
