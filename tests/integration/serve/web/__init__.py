"""The web interface in a browser."""
