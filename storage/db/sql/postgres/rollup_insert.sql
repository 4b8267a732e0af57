-- Record a roll-up whose file is written.
-- :shard_id, :number, :name, :event_id, :changed_from, :fingerprint
INSERT INTO rollups (shard_id, number, name, event_id, changed_from, fingerprint)
VALUES (:shard_id, :number, :name, :event_id, :changed_from, :fingerprint)
