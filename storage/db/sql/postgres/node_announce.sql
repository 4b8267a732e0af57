-- Record that a process works on the archive, for some seconds from now.
-- :node_id, :kind, :program, :formats JSON: kind of file -> newest format number that it reads, :ttl_s
INSERT INTO nodes (node_id, kind, program, formats, expires_at)
VALUES (:node_id, :kind, :program, CAST(:formats AS jsonb), now() + make_interval(secs => :ttl_s))
ON CONFLICT (node_id) DO UPDATE
SET kind = excluded.kind, program = excluded.program, formats = excluded.formats, expires_at = excluded.expires_at
