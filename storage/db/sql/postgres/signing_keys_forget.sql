-- Forget signing keys that have had a successor for so long that no token of theirs is alive.
-- :older_s
DELETE FROM signing_keys AS k
WHERE EXISTS (
    SELECT FROM signing_keys AS next
    WHERE next.created_at > k.created_at AND next.created_at < now() - make_interval(secs => :older_s)
)
