-- Whether the control database contains anything sealed.
SELECT EXISTS (SELECT FROM credentials) OR EXISTS (SELECT FROM domains) OR EXISTS (SELECT FROM signing_keys) AS any_sealed
