"""Statistics of all mailboxes together, for operators: counts only."""
