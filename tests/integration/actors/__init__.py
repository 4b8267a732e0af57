"""Owners of shards with real databases, files and sockets."""
