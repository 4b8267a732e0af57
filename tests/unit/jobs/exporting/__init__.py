"""Tests of jobs/exporting."""
