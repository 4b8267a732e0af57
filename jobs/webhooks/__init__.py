"""Delivers events to a user's own server by the Standard Webhooks specification."""
