"""Makes the trained files of jobs/analysis/data, bit for bit the same wherever it runs."""
