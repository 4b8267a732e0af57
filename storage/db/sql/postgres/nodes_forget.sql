-- Forget processes that have not announced themselves again.
DELETE FROM nodes WHERE expires_at <= now()
