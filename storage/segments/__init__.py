"""Segments: writing, merging and deleting the files of a shard."""
