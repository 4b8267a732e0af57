-- Register a user under the archive's id, unless the id or the address is taken.
-- :user_id, :email, :shard_id, :removed
INSERT INTO users (user_id, email, shard_id, removed_at)
OVERRIDING SYSTEM VALUE
VALUES (:user_id, :email, :shard_id, CASE WHEN :removed THEN now() END)
ON CONFLICT DO NOTHING
