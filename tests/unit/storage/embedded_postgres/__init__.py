"""Unit tests of storage.embedded_postgres."""
