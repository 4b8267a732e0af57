-- The labels of a mailbox as they were defined at a time: what a label was called until it was first seen otherwise.
-- :user_id, :as_of
SELECT l.label_id, coalesce(h.name, l.name) AS name, coalesce(h.type, l.type) AS type,
    coalesce(h.visibility, l.visibility) AS visibility, coalesce(h.color, l.color) AS color
FROM labels AS l
LEFT JOIN LATERAL (
    SELECT name, type, visibility, color
    FROM label_history AS was
    WHERE was.user_id = l.user_id AND was.label_id = l.label_id AND was.observed_at > CAST(:as_of AS timestamptz)
    ORDER BY was.observed_at
    LIMIT 1
) AS h ON true
WHERE l.user_id = :user_id
ORDER BY type, name, l.label_id
