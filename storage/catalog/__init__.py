"""The write side of a shard's database: commits, compaction, leases."""
