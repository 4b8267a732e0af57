-- Delete the refresh tokens that an API key gave. :key_id.
DELETE FROM refresh_tokens WHERE key_id = :key_id
