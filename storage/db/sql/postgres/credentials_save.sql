-- Store sealed credentials, replacing older ones.
-- :user_id, :sealed
INSERT INTO credentials (user_id, sealed)
VALUES (:user_id, :sealed)
ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, updated_at = now()
