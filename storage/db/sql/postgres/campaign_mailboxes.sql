-- The mailboxes of a campaign with their states, by address.
-- :campaign_id
SELECT u.user_id, u.email, u.shard_id, m.state, m.error, m.synced_before, m.listed_before, m.messages_before
FROM campaign_mailboxes AS m
JOIN users AS u USING (user_id)
WHERE m.campaign_id = :campaign_id
ORDER BY u.email
