-- Register a webhook, unless the user has :most already.
-- :webhook_id, :user_id, :url, :types (null: all), :sealed, :most
INSERT INTO webhooks (webhook_id, user_id, url, types, sealed)
SELECT :webhook_id, :user_id, :url, CAST(:types AS text[]), :sealed
WHERE (SELECT count(*) FROM webhooks WHERE user_id = :user_id) < :most
