-- Whether a shard database contains any data.
SELECT EXISTS (SELECT FROM mailboxes) OR EXISTS (SELECT FROM segments) OR EXISTS (SELECT FROM messages)
