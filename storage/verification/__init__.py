"""Proves that the archive is whole: every file, every message, and the message index."""
