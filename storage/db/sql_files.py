"""Loads the named queries of storage/db/sql: one query per file; values are always bound.

`postgres/` and `duckdb/` are the two dialects; `bench/` holds the Postgres queries of `gbm bench`.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FOLDER = Path(__file__).parent / "sql"


@cache
def postgres_sql(name: str) -> str:
    """The text of postgres/NAME.sql ("bench/NAME": of bench/NAME.sql) without comment lines; parameters are :name."""
    return _text(name if "/" in name else f"postgres/{name}")


@cache
def duckdb_sql(name: str) -> str:
    """The text of duckdb/NAME.sql without comment lines; parameters are $name."""
    return _text(f"duckdb/{name}")


@cache
def query(name: str) -> TextClause:
    """The query of `postgres_sql(name)`, for SQLAlchemy."""
    return text(postgres_sql(name))


def _text(path: str) -> str:
    lines = (FOLDER / f"{path}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))
