"""The word index of a segment: a tantivy index in one file, made once, merged by compaction, asked by searches."""
