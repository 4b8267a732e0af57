"""Databases from the archive and back: roll-ups, rebuild, segment import, dump."""
