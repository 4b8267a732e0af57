-- Compute local times of the rest of this transaction in a zone.
-- :zone
SELECT set_config('TimeZone', :zone, true)
