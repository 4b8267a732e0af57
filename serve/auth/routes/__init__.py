"""The routes of the auth application."""
