"""The Gmail API, served from real or generated mail."""
