-- Append events of the control database to the outbox of their users' shard, with their times.
-- :shard_id, :until (position in the control database of the last one), and arrays of equal length.
WITH counter AS (
    INSERT INTO event_positions AS p (shard_id, last, forwarded)
    VALUES (
        :shard_id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + cardinality(CAST(:types AS text[])),
        :until
    )
    ON CONFLICT (shard_id) DO UPDATE
    SET last = greatest(p.last, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        + cardinality(CAST(:types AS text[])),
        forwarded = :until
    RETURNING last - cardinality(CAST(:types AS text[])) AS before
)
INSERT INTO outbox (shard_id, user_id, type, version, data, position, created_at)
SELECT :shard_id, e.user_id, e.type, e.version, e.data::jsonb, counter.before + e.number, e.created_at
FROM counter, unnest(
    CAST(:user_ids AS bigint[]), CAST(:types AS text[]), CAST(:versions AS integer[]), CAST(:data AS text[]),
    CAST(:times AS timestamptz[])
) WITH ORDINALITY AS e (user_id, type, version, data, created_at, number)
