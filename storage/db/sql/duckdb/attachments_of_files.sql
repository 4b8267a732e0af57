-- As attachments_total.sql, per Parquet file (DuckDB); files without attachments are omitted.
-- $files: Parquet paths; $user_id
SELECT
    filename AS file,
    count(*) AS messages,
    sum(len(attachments))::BIGINT AS files,
    sum(list_sum(list_transform(attachments, lambda part: part.size_bytes)))::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND len(attachments) > 0
GROUP BY filename
