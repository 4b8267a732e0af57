"""Moves a shard from one shard database to another."""
