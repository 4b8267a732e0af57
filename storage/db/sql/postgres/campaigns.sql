-- Campaigns, newest first, with the number of mailboxes in each state.
-- :campaign_id (or null for all), :before (a campaign id), :limit, :running (only campaigns that have not ended)
SELECT c.campaign_id, c.mode, c.state, c.requested_by, c.runs, c.created_at, c.ended_at,
    count(m.user_id) AS mailboxes,
    count(*) FILTER (WHERE m.state = 'done') AS done,
    count(*) FILTER (WHERE m.state = 'failed') AS failed
FROM campaigns AS c
LEFT JOIN campaign_mailboxes AS m USING (campaign_id)
WHERE (CAST(:campaign_id AS bigint) IS NULL OR c.campaign_id = :campaign_id)
    AND c.campaign_id < :before AND (NOT :running OR c.ended_at IS NULL)
GROUP BY c.campaign_id
ORDER BY c.campaign_id DESC
LIMIT :limit
