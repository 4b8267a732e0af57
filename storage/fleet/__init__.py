"""All mailboxes together, for operators: counts only."""
