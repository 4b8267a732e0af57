"""Our own PostgreSQL for people who bring none: its binaries, its data directory, its life cycle."""
