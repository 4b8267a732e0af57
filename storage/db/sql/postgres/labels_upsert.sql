-- Store a mailbox's current labels. Labels deleted in Gmail stay: old mail carries them.
-- :user_id, :label_ids, :names, :types: arrays of equal length.
INSERT INTO labels (user_id, label_id, name, type)
SELECT :user_id, * FROM unnest(CAST(:label_ids AS text[]), CAST(:names AS text[]), CAST(:types AS text[]))
ON CONFLICT (user_id, label_id) DO UPDATE SET name = excluded.name, type = excluded.type
