-- Store a domain's service account, replacing an older one.
-- :domain in lower case, :sealed, :admin
INSERT INTO domains (domain, sealed, admin)
VALUES (:domain, :sealed, :admin)
ON CONFLICT (domain) DO UPDATE SET sealed = excluded.sealed, admin = excluded.admin, added_at = now()
