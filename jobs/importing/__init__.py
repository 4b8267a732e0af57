"""Mail of other programs on its way into the archive: its labels, dates, ids and identity."""
