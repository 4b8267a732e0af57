-- Raise the format of each kind of file to the newest that every process reads. A kind that one does not know stays.
INSERT INTO file_formats (kind, number)
SELECT f.key, min(CAST(f.value AS integer))
FROM nodes AS n, jsonb_each_text(n.formats) AS f
WHERE n.expires_at > now()
GROUP BY f.key
HAVING count(*) = (SELECT count(*) FROM nodes AS n WHERE n.expires_at > now())
ON CONFLICT (kind) DO UPDATE SET number = excluded.number WHERE file_formats.number < excluded.number
