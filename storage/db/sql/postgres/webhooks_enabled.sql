-- Every webhook that receives events.
SELECT webhook_id, user_id, types FROM webhooks WHERE disabled_at IS NULL
