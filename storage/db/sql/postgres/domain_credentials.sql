-- The sealed service account of a domain. :domain: lower case.
SELECT sealed FROM domains WHERE domain = :domain
