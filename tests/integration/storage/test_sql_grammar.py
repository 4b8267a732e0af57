"""What the grammar of the SQL sandbox lets through: questions that name only their own columns and known functions."""

import duckdb
import pytest

from storage.sql_sandbox.errors import SqlInvalid, SqlRefused
from storage.sql_sandbox.grammar import _FUNCTIONS, check
from tests.integration.storage.sql_attacks import ESCAPES, VIEWS


@pytest.mark.parametrize("sql", ESCAPES)
def test_the_grammar_refuses(sql: str) -> None:
    with pytest.raises((SqlRefused, SqlInvalid)):
        check(sql, VIEWS)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1" + " + 1" * 6000,
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT " + "[" * 200 + "]" * 200,
        "SELECT 1\0",
        "SELECT '" + "x" * 30_000 + "'",
        "",
        ";",
        "--",
    ],
)
def test_what_is_no_question_is_refused(sql: str) -> None:
    with pytest.raises((SqlRefused, SqlInvalid)):
        check(sql, VIEWS)


def test_a_question_names_only_columns_that_it_needs() -> None:
    found = check("SELECT subject FROM messages WHERE size_bytes > 1", VIEWS)
    assert found.views == {"messages"}
    assert found.columns == frozenset({"subject", "size_bytes"})
    assert check("SELECT * FROM messages", VIEWS).columns is None
    assert check("SELECT count(*) FROM messages", VIEWS).columns == frozenset()
    assert check("SELECT messages FROM messages", VIEWS).columns is None
    assert check("SELECT COLUMNS('s.*') FROM messages", VIEWS).columns is None


def test_a_function_that_nobody_has_looked_at_is_refused() -> None:
    with pytest.raises(SqlRefused, match="the function st_astext"):
        check("SELECT st_astext(subject) FROM messages", VIEWS)
    with pytest.raises(SqlRefused, match="the function later_than_this_release"):
        check("SELECT later_than_this_release(subject) FROM messages", VIEWS)


def test_every_function_that_is_allowed_is_one() -> None:
    with duckdb.connect(":memory:") as database:
        known = {name.lower() for [name] in database.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    over_windows = {
        "row_number",
        "rank",
        "dense_rank",
        "rank_dense",
        "percent_rank",
        "cume_dist",
        "ntile",
        "lag",
        "lead",
    }
    assert _FUNCTIONS - known <= over_windows | {"first_value", "nth_value", "last_value", "fill"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (WITH duckdb_tables AS (SELECT 1 AS a) SELECT max(a) FROM duckdb_tables), t.* FROM duckdb_tables t",
        "WITH duckdb_tables AS (SELECT * FROM duckdb_tables) SELECT * FROM duckdb_tables",
        "WITH a AS (SELECT * FROM duckdb_views), duckdb_views AS (SELECT 1) SELECT * FROM a",
        "SELECT * FROM (WITH pg_tables AS (SELECT 1) SELECT * FROM pg_tables) x, pg_tables",
        "WITH RECURSIVE pg_tables AS (SELECT tablename FROM pg_tables UNION SELECT 'x') SELECT * FROM pg_tables",
        "SELECT 1 UNION ALL (WITH duckdb_logs AS (SELECT 2) SELECT * FROM duckdb_logs) UNION ALL FROM duckdb_logs",
    ],
)
def test_a_name_counts_only_where_it_is_given(sql: str) -> None:
    with pytest.raises(SqlRefused, match="the table"):
        check(sql, VIEWS)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT * FROM messages), b AS (SELECT * FROM a) SELECT * FROM b, a",
        "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t WHERE a < 3) SELECT * FROM t",
        "WITH a AS MATERIALIZED (SELECT 1 AS x) SELECT (SELECT max(x) FROM a) FROM messages, a",
        "WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH b AS (SELECT * FROM a) SELECT * FROM b, a)",
        "WITH A AS (SELECT 1) SELECT * FROM a",
    ],
)
def test_a_name_counts_in_all_that_follows(sql: str) -> None:
    assert check(sql, VIEWS).views <= {"messages"}
