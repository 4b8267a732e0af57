-- Record the final states of mailboxes of a campaign.
-- :campaign_id, :user_ids, :states, :errors
UPDATE campaign_mailboxes AS m
SET state = e.state, error = e.error, ended_at = now()
FROM unnest(CAST(:user_ids AS bigint[]), CAST(:states AS text[]), CAST(:errors AS text[])) AS e (user_id, state, error)
WHERE m.campaign_id = :campaign_id AND m.user_id = e.user_id AND m.state = 'pending'
