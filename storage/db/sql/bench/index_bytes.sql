-- How many bytes the message index of this database takes, with its own indexes.
SELECT pg_total_relation_size('messages')::bigint
