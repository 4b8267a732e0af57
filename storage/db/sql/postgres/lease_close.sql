-- Keep owners out of these shards until a rebuild has ended: their garbage collection would delete the shards' files.
-- :shard_ids
INSERT INTO leases (shard_id, owner, cluster, epoch, expires_at)
SELECT shard_id, 'rebuilt', 'unfinished rebuild', 0, TIMESTAMPTZ '2999-01-01 00:00:00+00'
FROM unnest(CAST(:shard_ids AS integer[])) AS s (shard_id)
ON CONFLICT (shard_id) DO UPDATE
SET owner = excluded.owner, cluster = excluded.cluster, expires_at = excluded.expires_at
