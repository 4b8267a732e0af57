-- Record a campaign; no row when the same campaign is running, or the request key was used before.
-- :mode, :requested_by, :request_key (or null), :fingerprint
INSERT INTO campaigns (mode, requested_by, request_key, fingerprint)
VALUES (:mode, :requested_by, :request_key, :fingerprint)
ON CONFLICT DO NOTHING
RETURNING campaign_id
