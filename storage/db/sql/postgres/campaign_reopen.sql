-- Retry the failed mailboxes of a campaign.
-- :campaign_id
UPDATE campaign_mailboxes
SET state = 'pending', error = NULL, ended_at = NULL
WHERE campaign_id = :campaign_id AND state = 'failed'
