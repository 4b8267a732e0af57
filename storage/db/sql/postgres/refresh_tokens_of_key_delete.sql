-- Delete the refresh tokens issued for an API key. :key_id.
DELETE FROM refresh_tokens WHERE key_id = :key_id
