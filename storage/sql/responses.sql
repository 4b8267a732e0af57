-- How long answers took in the threads of a selection, mine and theirs: an answer follows a message of the other side.
-- {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at
SELECT
    mine,
    count(*) AS responses,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY took_s) AS median_s,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY took_s) AS p90_s
FROM (
    SELECT
        mine,
        lag(mine) OVER before AS mine_before,
        CAST(extract(epoch FROM received_at - lag(received_at) OVER before) AS double precision) AS took_s
    FROM (
        SELECT m.thread_id, m.message_id, m.received_at, m.labels @> ARRAY['SENT'] AS mine
        FROM {messages} AS m
        WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
            AND NOT m.labels @> ARRAY['DRAFT']
    ) AS told
    WINDOW before AS (PARTITION BY thread_id ORDER BY received_at, message_id)
) AS followed
WHERE mine <> mine_before
GROUP BY mine
ORDER BY mine DESC
