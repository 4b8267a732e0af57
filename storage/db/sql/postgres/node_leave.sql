-- Forget a process that has ended.
-- :node_id
DELETE FROM nodes WHERE node_id = :node_id
