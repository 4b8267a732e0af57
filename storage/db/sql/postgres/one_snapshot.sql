-- Run every later statement of the transaction on one snapshot.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
