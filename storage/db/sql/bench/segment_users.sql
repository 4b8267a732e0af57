-- Distribute users evenly over a benchmark's segments, spread over the years.
-- :users: number of users; :each: users per segment
INSERT INTO segment_users (user_id, segment_id, messages, size_bytes, first_at, last_at)
SELECT
    1 + (s.segment_id * :each + place) * 7919 % :users, s.segment_id, 4000 / :each, 20000000 / :each,
    s.created_at - interval '7 days', s.created_at
FROM segments AS s, generate_series(CAST(0 AS bigint), CAST(:each AS bigint) - 1) AS place
