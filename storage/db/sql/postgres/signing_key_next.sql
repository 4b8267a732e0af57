-- Store a signing key unless one younger than :newer_s seconds exists. The table is locked, so one of several callers
-- succeeds.
-- :kid, :sealed, :newer_s
INSERT INTO signing_keys (kid, sealed)
SELECT :kid, :sealed
WHERE NOT EXISTS (SELECT FROM signing_keys WHERE created_at > now() - make_interval(secs => :newer_s))
