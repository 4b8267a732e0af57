"""Trains the files of jobs/analysis/data, reproducibly bit for bit."""
