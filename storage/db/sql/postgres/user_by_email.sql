-- The user with this address.
-- :email in lower case
SELECT user_id, email, shard_id FROM users WHERE email = :email AND removed_at IS NULL
