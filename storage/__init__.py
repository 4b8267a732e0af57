"""Data at rest: records, segments, the catalog, queries over the archive, sealing of secrets."""
