-- Serialize transactions that add mailboxes. :key: of the advisory lock.
SELECT pg_advisory_xact_lock(:key)
