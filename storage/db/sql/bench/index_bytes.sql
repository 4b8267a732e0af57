-- Size of this database's message index in bytes, its indexes included.
SELECT pg_total_relation_size('messages')::bigint
