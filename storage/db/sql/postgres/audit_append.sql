-- Append an entry to the audit log.
-- :actor, :action, :subject; :detail: JSON.
INSERT INTO audit (actor, action, subject, detail)
VALUES (:actor, :action, :subject, CAST(:detail AS jsonb))
