"""Tests of storage/merge."""
