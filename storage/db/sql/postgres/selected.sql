-- The messages that a question is about: a table to put in for {selected} (storage/analytics/selection.py).
-- {messages}: as in email_location.sql. {condition}: storage/analytics/selection.py's, over m.
-- :user_id; :first_at, :last_at: messages received from the one up to before the other
SELECT *
FROM {messages} AS m
WHERE m.user_id = :user_id
    AND m.received_at >= CAST(:first_at AS timestamptz)
    AND m.received_at < CAST(:last_at AS timestamptz)
    AND {condition}
