"""Exports mail from the archive in formats that other programs read."""
