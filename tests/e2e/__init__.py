"""Real local Ray, real HTTP, real processes."""
