-- Serialize announcements: who announces itself is counted, or learns which formats are written already.
SELECT pg_advisory_xact_lock(hashtext('nodes'))
