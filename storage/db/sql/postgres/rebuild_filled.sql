-- Whether a shard database holds anything.
SELECT EXISTS (SELECT FROM mailboxes) OR EXISTS (SELECT FROM segments) OR EXISTS (SELECT FROM messages)
