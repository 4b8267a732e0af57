-- State and newest run of a restore, and whether the grant by which it was begun or resumed has ended.
-- :restore_id
SELECT r.state, r.runs, r.grant_id IS NOT NULL AND NOT EXISTS (
    SELECT
    FROM grants AS g
    JOIN users AS b ON b.user_id = g.grantee_id
    WHERE g.grant_id = r.grant_id AND g.may_restore AND g.revoked_at IS NULL AND g.expires_at > now()
        AND b.removed_at IS NULL
) AS grant_ended
FROM restores AS r
WHERE r.restore_id = :restore_id
