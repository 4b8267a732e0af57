"""One file per module of jobs/analysis."""
