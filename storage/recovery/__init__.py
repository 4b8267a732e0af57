"""Recovery of databases: roll-ups into the archive, rebuild from it, segment import, dump and restore."""
