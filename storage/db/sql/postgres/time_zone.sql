-- Set the time zone of this transaction, and make groups use hashes: the planner underestimates how often local times
-- repeat and would sort all rows first (on disk; twice the time for 90,000 rows).
-- :zone
SELECT set_config('TimeZone', :zone, true), set_config('enable_sort', 'off', true)
