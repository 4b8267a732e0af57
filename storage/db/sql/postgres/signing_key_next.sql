-- Keep a signing key unless a newer one than so many seconds is there; of several at once one wins (the table is locked).
-- :kid, :sealed, :newer_s
INSERT INTO signing_keys (kid, sealed)
SELECT :kid, :sealed
WHERE NOT EXISTS (SELECT FROM signing_keys WHERE created_at > now() - make_interval(secs => :newer_s))
