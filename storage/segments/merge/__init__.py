"""Merges the files of several segments into one segment."""
