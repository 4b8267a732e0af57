-- Change a campaign's state from one of :among to :state; no row when it is in none of :among.
-- :campaign_id, :among, :state, :ended, :run (1 when a job is submitted for it)
UPDATE campaigns
SET state = :state, ended_at = CASE WHEN :ended THEN now() END, runs = runs + :run
WHERE campaign_id = :campaign_id AND state = ANY(:among)
RETURNING runs
