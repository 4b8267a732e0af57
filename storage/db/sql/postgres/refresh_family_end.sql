-- End all refresh tokens of the family that a used token belongs to.
-- :token_hash
DELETE FROM refresh_tokens
WHERE family = (SELECT family FROM refresh_tokens WHERE token_hash = :token_hash AND used_at IS NOT NULL)
