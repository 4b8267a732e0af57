"""Loads the named queries of storage/sql: one file, one question, values always bound."""

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

_FOLDER = Path(__file__).parent / "sql"


@cache
def sql(name: str) -> str:
    """The text of storage/sql/NAME.sql without its comment lines, for DuckDB ($name parameters)."""
    lines = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


@cache
def query(name: str) -> TextClause:
    """The query of storage/sql/NAME.sql, for Postgres through SQLAlchemy (:name parameters)."""
    return text(sql(name))
