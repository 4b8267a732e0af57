-- The campaign that a request repeats: by its request key, else the running campaign with the same fingerprint.
-- :request_key (or null), :fingerprint
SELECT campaign_id
FROM campaigns
WHERE request_key = :request_key OR (fingerprint = :fingerprint AND ended_at IS NULL)
ORDER BY request_key = :request_key DESC NULLS LAST
LIMIT 1
