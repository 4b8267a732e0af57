-- Start time of this transaction, by the clock that stamps commits.
SELECT now()
