-- Mailboxes of a campaign that another running campaign has not completed yet.
-- :campaign_id
SELECT DISTINCT mine.user_id
FROM campaign_mailboxes AS mine
JOIN campaign_mailboxes AS other USING (user_id)
JOIN campaigns AS c ON c.campaign_id = other.campaign_id
WHERE mine.campaign_id = :campaign_id AND other.campaign_id <> :campaign_id
    AND c.state = 'running' AND other.state = 'pending'
