-- Keep the first signing key; later ones come by rotation.
-- :kid, :sealed
INSERT INTO signing_keys (kid, sealed)
SELECT :kid, :sealed WHERE NOT EXISTS (SELECT FROM signing_keys)
