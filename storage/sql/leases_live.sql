-- How many shards of this database somebody owns.
SELECT count(*) FROM leases WHERE expires_at > now()
