"""The full-text index of a segment (a split): a tantivy index in one file, built once, merged by compaction."""
