-- Delete a webhook of a user, and its deliveries.
-- :webhook_id, :user_id
DELETE FROM webhooks WHERE webhook_id = :webhook_id AND user_id = :user_id
