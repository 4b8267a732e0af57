"""Tests of cluster/upgrade."""
