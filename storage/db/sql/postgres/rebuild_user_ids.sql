-- Let new users get ids after all that there are.
-- :user_id, the highest that the archive knows
SELECT setval(
    pg_get_serial_sequence('users', 'user_id'),
    greatest((SELECT max(user_id) FROM users), CAST(:user_id AS bigint), nextval(pg_get_serial_sequence('users', 'user_id')))
)
