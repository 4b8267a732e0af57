-- Number of shards of this database that a cluster owns. Copies left by a move are not counted.
SELECT count(*) FROM leases WHERE expires_at > now() AND cluster NOT IN ('unfinished rebuild', 'gbm:moved')
