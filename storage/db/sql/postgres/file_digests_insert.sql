-- Record the digests of files; what is recorded of a file already stays.
-- :shard_id, :file_names, :sizes, :digests, :as_written
INSERT INTO file_digests (name, shard_id, size_bytes, sha256, as_written)
SELECT f.name, :shard_id, f.size_bytes, f.sha256, :as_written
FROM unnest(CAST(:file_names AS text[]), CAST(:sizes AS bigint[]), CAST(:digests AS bytea[]))
    AS f (name, size_bytes, sha256)
ON CONFLICT (name) DO NOTHING
