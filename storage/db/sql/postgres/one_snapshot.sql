-- Let every later statement of the transaction see the same.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
