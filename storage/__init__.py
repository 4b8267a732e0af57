"""Everything at rest: records, segments, the catalogue, archive queries, sealing."""
