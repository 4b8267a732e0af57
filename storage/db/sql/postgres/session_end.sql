-- Remember that a session ended, and forget those that ended so long ago that no access token of theirs is alive.
-- :family
WITH forgotten AS (
    DELETE FROM ended_sessions WHERE ended_at < now() - interval '1 day'
)
INSERT INTO ended_sessions (family) VALUES (CAST(:family AS uuid)) ON CONFLICT (family) DO NOTHING
