"""Segments: writing, merging and removing the files that a shard writes at once."""
