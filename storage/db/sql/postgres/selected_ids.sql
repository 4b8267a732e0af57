-- The ids of the selected messages that carry all of some labels, eight bytes each in network order.
-- :labels. {selected}: selected.sql
SELECT string_agg(int8send(m.message_id), CAST('' AS bytea)) AS ids
FROM {selected} AS m
WHERE m.labels @> CAST(:labels AS text[])
