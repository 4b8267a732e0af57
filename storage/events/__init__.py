"""Domain events: their registry, how they are published, and how they are read."""
