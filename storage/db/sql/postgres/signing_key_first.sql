-- Store the first signing key; rotation adds the later ones.
-- :kid, :sealed
INSERT INTO signing_keys (kid, sealed)
SELECT :kid, :sealed WHERE NOT EXISTS (SELECT FROM signing_keys)
