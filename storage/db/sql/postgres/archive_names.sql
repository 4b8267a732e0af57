-- Names of the archive's files that this database records, segments and roll-ups without suffixes, and whether the file
-- must exist.
SELECT name, retired_at IS NULL AS needed FROM segments
UNION ALL
SELECT name, retired_at IS NULL FROM analyses
UNION ALL
SELECT name, false FROM rollups
