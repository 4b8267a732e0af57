"""Loads the named queries of storage/db/sql: one query per file; values are always bound.

A query may be a template: `fill` replaces its {placeholders} by SQL that the program makes, never by text of a request.
`postgres/` and `duckdb/` are the two dialects; `bench/` holds the Postgres queries of `gbm bench`.
"""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FOLDER = Path(__file__).parent / "sql"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


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


def fill(template: str, **parts: str) -> str:
    """Replace every {name} of a template by its part. The parts themselves are not searched for placeholders.

    Raises:
        ValueError: a placeholder has no part, or a part has no placeholder.
    """
    names = set(_PLACEHOLDER.findall(template))
    if names != parts.keys():
        raise ValueError(f"the query takes the parts {sorted(names)}, but has {sorted(parts)}")
    return _PLACEHOLDER.sub(lambda match: parts[match[1]], template)


def _text(path: str) -> str:
    lines = (FOLDER / f"{path}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))
