-- Let owners begin again in shards that were closed for a rebuild which turned out not to be needed.
UPDATE leases SET owner = 'restored', expires_at = now() WHERE cluster = 'unfinished rebuild'
