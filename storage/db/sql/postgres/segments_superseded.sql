-- Bytes of the files of a shard that were merged or analysed again and are kept for their readers.
-- :shard_id; :before: files retired before that time are deleted
SELECT
    coalesce((
        SELECT sum(raw_bytes + parquet_bytes + coalesce(words_bytes, 0))
        FROM segments
        WHERE shard_id = :shard_id AND retired_at >= :before
    ), 0)::bigint
    + coalesce((
        SELECT sum(a.size_bytes)
        FROM analyses AS a
        JOIN segments AS s ON s.segment_id = a.segment_id
        WHERE s.shard_id = :shard_id AND a.retired_at >= :before
    ), 0)::bigint
