-- Keep a mailbox's labels as Gmail defines them now. A label that Gmail dropped stays: old mail carries it.
-- :user_id, :label_ids, :names (null: as it was), :types, :visibilities, :colors: arrays of equal length.
WITH now_defined AS (
    SELECT *
    FROM unnest(
        CAST(:label_ids AS text[]), CAST(:names AS text[]), CAST(:types AS text[]), CAST(:visibilities AS text[]),
        CAST(:colors AS text[])
    ) AS defined (label_id, name, type, visibility, color)
),
before AS (
    INSERT INTO label_history (user_id, label_id, name, type, visibility, color)
    SELECT l.user_id, l.label_id, l.name, l.type, l.visibility, l.color
    FROM labels AS l
    JOIN now_defined AS d USING (label_id)
    WHERE l.user_id = :user_id
        AND (l.name, l.type, l.visibility, l.color) <> (coalesce(d.name, l.name), d.type, d.visibility, d.color)
)
INSERT INTO labels (user_id, label_id, name, type, visibility, color)
SELECT :user_id, label_id, coalesce(name, label_id), type, visibility, color FROM now_defined
ON CONFLICT (user_id, label_id) DO UPDATE
SET name = CASE WHEN excluded.name = excluded.label_id AND labels.type = 'user' THEN labels.name ELSE excluded.name END,
    type = excluded.type, visibility = excluded.visibility, color = excluded.color
