-- Every segment of a shard database and how much mail it holds, oldest first. For operators.
SELECT name, messages, size_bytes FROM segments WHERE retired_at IS NULL ORDER BY segment_id
