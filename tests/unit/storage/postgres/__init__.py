"""Unit tests of storage.postgres."""
