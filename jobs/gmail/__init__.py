"""The Gmail client: one mailbox's pages, history and messages, on a pooled transport."""
