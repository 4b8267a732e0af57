-- Change a restore's state from one of :among to :state; no row when it is in none of :among, or a newer run replaced
-- the one that asks.
-- :restore_id, :among, :state, :ended, :run (1 when a job is submitted for it), :error, :asking (the number of the run
-- that asks, or null: somebody else). What kept the last run from going on stays told until the next one goes on.
UPDATE restores
SET state = :state, ended_at = CASE WHEN :ended THEN now() END, runs = runs + :run,
    error = CASE WHEN :run = 0 THEN :error ELSE error END
WHERE restore_id = :restore_id AND state = ANY(:among) AND (CAST(:asking AS integer) IS NULL OR runs = :asking)
RETURNING restore_id
