-- Delete signing keys replaced so long ago that all of their tokens have expired.
-- :older_s
DELETE FROM signing_keys AS k
WHERE EXISTS (
    SELECT FROM signing_keys AS next
    WHERE next.created_at > k.created_at AND next.created_at < now() - make_interval(secs => :older_s)
)
