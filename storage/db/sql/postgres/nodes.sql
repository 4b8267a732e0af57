-- Processes that work on the archive now.
SELECT node_id, kind, program, formats FROM nodes WHERE expires_at > now() ORDER BY program, kind, node_id
