"""Chaos on real processes: lives of mailboxes, killings, and the comparison afterwards."""
