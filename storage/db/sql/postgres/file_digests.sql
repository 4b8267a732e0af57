-- The recorded digests of these files.
-- :file_names
SELECT name, size_bytes, sha256, as_written FROM file_digests WHERE name = ANY(CAST(:file_names AS text[]))
