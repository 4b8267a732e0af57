"""Statistics of one mailbox."""
