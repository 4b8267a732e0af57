-- When the first and the last of the selected messages were received; nulls when there are none.
-- {selected}: selected.sql
SELECT min(m.received_at) AS first_at, max(m.received_at) AS last_at FROM {selected} AS m
