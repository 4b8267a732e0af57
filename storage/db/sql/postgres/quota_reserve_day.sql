-- Begin to count the reservations of a day; does nothing when they are counted.
-- :day
INSERT INTO quota_reservations (day, units) VALUES (:day, 0) ON CONFLICT (day) DO NOTHING
