"""Arrow tables as rows and as CSV, for people. The coding is the SQL sandbox's (storage/sql_sandbox/encoding.py)."""

from storage.sql_sandbox.encoding import csv_of, rows_of

__all__ = ["csv_of", "rows_of"]
