-- Bind a user to the Google account that signs in, or find them bound to it already; no row: bound to another one.
-- :user_id, :sub
UPDATE users SET google_sub = :sub
WHERE user_id = :user_id AND removed_at IS NULL AND (google_sub IS NULL OR google_sub = :sub)
RETURNING user_id
