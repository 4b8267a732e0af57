-- How many shards of this database a cluster owns.
SELECT count(*) FROM leases WHERE expires_at > now() AND cluster <> 'unfinished rebuild'
