"""Tests of the MIME parser."""
