-- What had been spent when a day began: kept the first time that anybody asks on that day.
-- :day, :units (ever spent, now)
INSERT INTO quota_days (day, units)
VALUES (:day, :units)
ON CONFLICT (day) DO UPDATE SET units = quota_days.units
RETURNING units, seen_at
