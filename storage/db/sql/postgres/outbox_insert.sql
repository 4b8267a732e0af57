-- Append events in the transaction that they describe. A position is the time in microseconds, or one more than the last
-- position of the shard; the counter's row is locked until the transaction ends, so positions grow in commit order.
-- :shard_id (-1: the control database) and arrays of equal length.
WITH counter AS (
    INSERT INTO event_positions AS p (shard_id, last)
    VALUES (:shard_id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + cardinality(CAST(:types AS text[])))
    ON CONFLICT (shard_id) DO UPDATE
    SET last = greatest(p.last, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        + cardinality(CAST(:types AS text[]))
    RETURNING last - cardinality(CAST(:types AS text[])) AS before
)
INSERT INTO outbox (shard_id, user_id, type, version, data, position)
SELECT :shard_id, e.user_id, e.type, e.version, e.data::jsonb, counter.before + e.number
FROM counter, unnest(
    CAST(:user_ids AS bigint[]), CAST(:types AS text[]), CAST(:versions AS integer[]), CAST(:data AS text[])
) WITH ORDINALITY AS e (user_id, type, version, data, number)
