"""One mailbox in numbers."""
