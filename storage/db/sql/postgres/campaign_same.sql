-- The campaign that a request is about: of the caller's key, else the same one that runs.
-- :request_key (or null), :fingerprint
SELECT campaign_id
FROM campaigns
WHERE request_key = :request_key OR (fingerprint = :fingerprint AND ended_at IS NULL)
ORDER BY request_key = :request_key DESC NULLS LAST
LIMIT 1
