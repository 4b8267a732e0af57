-- End every refresh token that these API keys gave.
-- :key_ids
DELETE FROM refresh_tokens WHERE key_id = ANY(CAST(:key_ids AS text[]))
