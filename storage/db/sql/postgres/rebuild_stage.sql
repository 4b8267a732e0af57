-- Temporary table for the roll-ups of a shard, in order; dropped with the transaction.
CREATE TEMP TABLE rolled_events (
    user_id bigint, message_id bigint, label_id text, is_on boolean, history_id bigint, observed_at timestamptz,
    event_id bigint, number integer
) ON COMMIT DROP;
CREATE TEMP TABLE rolled_states (
    user_id bigint, message_id bigint, history_id bigint, labels text[], stored_at timestamptz,
    changed_at timestamptz, deleted_at timestamptz, number integer
) ON COMMIT DROP
