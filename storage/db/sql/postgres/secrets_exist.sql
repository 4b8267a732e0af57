-- Whether the control database contains anything sealed.
SELECT EXISTS (SELECT FROM credentials) OR EXISTS (SELECT FROM domains) OR EXISTS (SELECT FROM signing_keys)
    OR EXISTS (SELECT FROM webhooks) AS any_sealed
