-- How many messages of these mailboxes are not stored, of those that Gmail named?
-- :user_ids
SELECT user_id, count(*) AS missing
FROM (
    SELECT user_id FROM failed_items WHERE user_id = ANY(:user_ids) AND kind = 'missing'
    UNION ALL
    SELECT user_id FROM unreadable_items WHERE user_id = ANY(:user_ids)
) AS items
GROUP BY user_id
