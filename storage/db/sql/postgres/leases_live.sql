-- How many shards of this database a cluster owns. The lease of a copy that a move left behind is nobody's.
SELECT count(*) FROM leases WHERE expires_at > now() AND cluster NOT IN ('unfinished rebuild', 'gbm:moved')
