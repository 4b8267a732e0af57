-- The same for the segments with mail of one user.
-- :user_id
SELECT s.segment_id, s.name, s.messages, s.size_bytes, s.raw_bytes, s.parquet_bytes, s.words_bytes, a.name AS analysis,
    a.size_bytes AS analysis_bytes
FROM segment_users AS u
JOIN segments AS s USING (segment_id)
LEFT JOIN analyses AS a ON a.segment_id = s.segment_id AND a.retired_at IS NULL
WHERE u.user_id = :user_id AND s.retired_at IS NULL
ORDER BY s.segment_id
