-- Begin an import, or go on with it: from the beginning if its source has changed.
-- :user_id, :import_id, :source, :fingerprint
INSERT INTO imports AS i (user_id, import_id, source, fingerprint)
VALUES (:user_id, :import_id, :source, :fingerprint)
ON CONFLICT (user_id, import_id) DO UPDATE
SET position = CASE WHEN i.fingerprint = excluded.fingerprint THEN i.position ELSE 0 END,
    stored = CASE WHEN i.fingerprint = excluded.fingerprint THEN i.stored ELSE 0 END,
    duplicates = CASE WHEN i.fingerprint = excluded.fingerprint THEN i.duplicates ELSE 0 END,
    began_at = CASE WHEN i.fingerprint = excluded.fingerprint THEN i.began_at ELSE now() END,
    ended_at = CASE WHEN i.fingerprint = excluded.fingerprint THEN i.ended_at END,
    fingerprint = excluded.fingerprint
RETURNING i.position, i.stored, i.duplicates, i.ended_at
