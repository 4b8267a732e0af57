-- Enable a webhook of a user again. What it missed is not delivered.
-- :webhook_id, :user_id
UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL WHERE webhook_id = :webhook_id AND user_id = :user_id
