"""Tests of actors/, file for file."""
