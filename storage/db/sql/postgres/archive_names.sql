-- Names of files of the archive that this database knows, without the endings of segments and roll-ups, and whether the
-- file must be there.
SELECT name, retired_at IS NULL AS needed FROM segments
UNION ALL
SELECT name, retired_at IS NULL FROM analyses
UNION ALL
SELECT name, false FROM rollups
