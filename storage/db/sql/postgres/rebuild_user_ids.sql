-- Advance the sequence of user ids past all existing ids.
-- :user_id: the highest id in the archive
SELECT setval(
    pg_get_serial_sequence('users', 'user_id'),
    greatest((SELECT max(user_id) FROM users), CAST(:user_id AS bigint), nextval(pg_get_serial_sequence('users', 'user_id')))
)
