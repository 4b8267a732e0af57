-- Record what a label of the archive is in the target mailbox.
-- :restore_id, :label_id, :name, :target_id (or null), :outcome, :detail
INSERT INTO restore_labels (restore_id, label_id, name, target_id, outcome, detail)
VALUES (:restore_id, :label_id, :name, :target_id, :outcome, :detail)
ON CONFLICT (restore_id, label_id) DO UPDATE
SET name = excluded.name, target_id = excluded.target_id, outcome = excluded.outcome, detail = excluded.detail
