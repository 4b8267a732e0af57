-- Delete the digests of files that garbage collection has deleted: of analyses that are no longer recorded, and of
-- segments that are not, or that were retired before a time. A digest is recorded in the transaction of its file.
-- :shard_id, :before
DELETE FROM file_digests AS d
WHERE d.shard_id = :shard_id
    AND CASE
        WHEN d.name LIKE '%.rollup' THEN false
        WHEN d.name LIKE '%.analysis' THEN NOT EXISTS (SELECT FROM analyses AS a WHERE a.name = d.name)
        ELSE NOT EXISTS (
            SELECT FROM segments AS s
            WHERE s.name = split_part(d.name, '.', 1) AND (s.retired_at IS NULL OR s.retired_at >= :before)
        )
    END
