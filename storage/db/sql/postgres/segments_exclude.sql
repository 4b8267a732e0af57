-- Exclude segments from compaction, with the reason.
-- :shard_id; :names, :reasons: arrays of equal length.
UPDATE segments AS s
SET excluded = exclusion.reason
FROM unnest(CAST(:names AS text[]), CAST(:reasons AS text[])) AS exclusion (name, reason)
WHERE s.shard_id = :shard_id AND s.name = exclusion.name
