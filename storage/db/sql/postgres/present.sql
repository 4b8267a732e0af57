-- When this transaction began, by the clock that commits are told by.
SELECT now()
