"""The gateway against real PostgreSQL and a real archive."""
