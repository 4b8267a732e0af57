"""Merges the files of many segments into those of one."""
