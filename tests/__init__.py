"""Tests of all three tiers."""
