-- Is anything sealed in the control database?
SELECT EXISTS (SELECT FROM credentials) OR EXISTS (SELECT FROM domains) OR EXISTS (SELECT FROM signing_keys) AS any_sealed
