"""Analysers: each reads one message and adds a column of results beside the segment."""
