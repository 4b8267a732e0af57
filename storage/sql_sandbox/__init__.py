"""SQL of a mailbox's owner over their own mail, in a process that has nothing else."""
