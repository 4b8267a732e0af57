"""Restoring mail into Gmail: what to do (pure), and the calls that do it."""
