"""An embedded PostgreSQL for operators without a server: binaries, data directory, life cycle."""
