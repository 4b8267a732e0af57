-- The messages that a statistic covers: a subquery to insert for {selected} (storage/analytics/selection.py).
-- {messages}: as in email_location.sql. {condition}: of storage/analytics/selection.py, over m.
-- :user_id; :first_at, :last_at: range of received_at, end exclusive
SELECT *
FROM {messages} AS m
WHERE m.user_id = :user_id
    AND m.received_at >= CAST(:first_at AS timestamptz)
    AND m.received_at < CAST(:last_at AS timestamptz)
    AND {condition}
