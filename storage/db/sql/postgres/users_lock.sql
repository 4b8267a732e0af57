-- Only one transaction at a time adds mailboxes. :key: of the advisory lock.
SELECT pg_advisory_xact_lock(:key)
