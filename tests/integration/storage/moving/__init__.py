"""Integration tests of storage/moving."""
