"""The read side of one mailbox: lists, searches, single messages, threads, as-of states."""
