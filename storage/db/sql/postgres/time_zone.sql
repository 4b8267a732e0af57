-- Compute local times of the rest of this transaction in a zone, and count groups by hashes: the planner, who knows
-- nothing of how local times repeat, would sort all rows first (on disk; twice the time for 90,000).
-- :zone
SELECT set_config('TimeZone', :zone, true), set_config('enable_sort', 'off', true)
