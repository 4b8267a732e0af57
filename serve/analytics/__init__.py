"""The analytics application."""
