"""Runs a mailbox owner's SQL over their own mail, in an isolated process."""
