"""What exactly one process must hold: mailbox sync state, shards, the quota broker."""
