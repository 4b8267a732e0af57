"""The allowed SQL: one SELECT over named views, with functions that read nothing but their arguments.

Checks the syntax tree that DuckDB produces (`json_serialize_sql`, which parses and runs nothing). Unknown elements are
refused. The sandbox process is secure without this check; the check makes refusals clear and early.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from storage.sql_sandbox.errors import SqlInvalid, SqlRefused

_MOST_CHARS = 20_000
_MOST_PARTS = 20_000
_DEEPEST = 150

_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SOURCES = frozenset({"BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "EMPTY_FROM", "EXPRESSION_LIST", "TABLE_FUNCTION"})
_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_EXPRESSIONS = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION"),
        *("LAMBDA", "LAMBDA_REF", "OPERATOR", "STAR", "SUBQUERY", "WINDOW", "POSITIONAL_REFERENCE", "TYPE"),
    }
)
#: See there.
_FUNCTIONS = frozenset(
    name
    for line in (Path(__file__).parent / "functions.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for name in line.split()
)


@dataclass(frozen=True, slots=True)
class Checked:
    """Views and columns of a query. columns: names mentioned anywhere; None: possibly all."""

    views: frozenset[str]
    columns: frozenset[str] | None


def check(sql: str, views: frozenset[str]) -> Checked:
    """Check a query and return what it reads.

    Raises:
        SqlInvalid, SqlRefused.
    """
    if len(sql) > _MOST_CHARS:
        raise SqlRefused(f"more than {_MOST_CHARS:,} characters")
    if "\0" in sql:
        raise SqlRefused("a NUL character")
    statement = _parsed(sql)
    walk = _Walk(views)
    walk.statement(statement)
    return Checked(frozenset(walk.read), None if walk.all_columns else frozenset(walk.columns))


def _parsed(sql: str) -> Mapping[str, Any]:
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as database:
        row = database.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if parsed["error"]:
        message = str(parsed.get("error_message", "not SQL"))
        if "Only SELECT statements" in message:
            raise SqlRefused("anything but SELECT")
        place = f" (at character {parsed['position']})" if "position" in parsed else ""
        raise SqlInvalid(message + place)
    statements: list[Mapping[str, Any]] = parsed["statements"]
    if len(statements) != 1:
        raise SqlRefused("more than one statement" if statements else "no statement")
    return statements[0]


class _Walk:
    """Visits every part of a tree once."""

    def __init__(self, views: frozenset[str]) -> None:
        self._views, self._parts = views, 0
        self.read: set[str] = set()
        self.columns: set[str] = set()
        self.all_columns = False

    def statement(self, statement: Mapping[str, Any]) -> None:
        if statement.get("named_param_map"):
            raise SqlRefused("parameters")
        self._look(statement, 0, self._views)

    def _look(self, part: Any, depth: int, names: frozenset[str]) -> None:
        """Look at a part, in which these tables can be named."""
        self._parts += 1
        if depth > _DEEPEST or self._parts > _MOST_PARTS:
            raise SqlRefused("a statement of this length or depth")
        if isinstance(part, list):
            for child in part:
                self._look(child, depth + 1, names)
        elif isinstance(part, dict):
            kind, sort = part.get("type"), part.get("class")
            if isinstance(sort, str):
                self._expression(part, sort)
            elif isinstance(kind, str) and "select_list" in part:
                _require(kind in _QUERIES, f"a query of the kind {kind}")
            elif isinstance(kind, str) and ("alias" in part and "sample" in part):
                self._source(part, kind, names)
            self._look_within(part, depth + 1, names)

    def _look_within(self, part: Mapping[str, Any], depth: int, names: frozenset[str]) -> None:
        """Look at the parts of a part. A common table expression has a name in what follows it, not in itself."""
        entries = (part.get("cte_map") or {}).get("map", [])
        for entry in entries:
            self._look(entry.get("value"), depth, names)
            names |= {str(entry.get("key", "")).lower()}
        own, within = names | {str(part.get("cte_name", part.get("ctename", ""))).lower()}, frozenset[str]()
        if part.get("type") == "RECURSIVE_CTE_NODE":
            within = frozenset({"right"})
        elif part.get("type") == "CTE_NODE":
            within = frozenset({"child"})
        for key, child in part.items():
            if key != "cte_map":
                self._look(child, depth, own if key in within else names)

    def _source(self, part: Mapping[str, Any], kind: str, names: frozenset[str]) -> None:
        _require(kind in _SOURCES, f"a source of the kind {kind}")
        if kind == "TABLE_FUNCTION":
            name = str(part.get("function", {}).get("function_name", "")).lower()
            _require(name in _TABLE_FUNCTIONS, f"the table function {name}")
        if kind == "BASE_TABLE":
            name = str(part["table_name"]).lower()
            qualified = part.get("schema_name") or part.get("catalog_name") or part.get("at_clause")
            _require(not qualified, f"a table of another schema: {part.get('schema_name') or part.get('catalog_name')}")
            _require(name in names, f"the table {part['table_name']}; there are {', '.join(sorted(self._views))}")
            if name in self._views:  # also where an expression of that name hides it: then it is read in vain
                self.read.add(name)

    def _expression(self, part: Mapping[str, Any], sort: str) -> None:
        _require(sort in _EXPRESSIONS, f"an expression of the kind {sort}")
        if sort == "STAR":
            self.all_columns = True
        if sort in ("COLUMN_REF", "LAMBDA_REF"):
            names = [str(name).lower() for name in part.get("column_names", [])]
            self.columns.update(names)
            # The name of a view alone is a row of all its columns.
            self.all_columns = self.all_columns or (len(names) == 1 and names[0] in self._views)
        if sort in ("FUNCTION", "WINDOW"):
            name = str(part.get("function_name", "")).lower()
            _require(not part.get("schema") and not part.get("catalog"), f"a function of another schema: {name}")
            _require(name in _FUNCTIONS, f"the function {name}")


def _require(allowed: bool, what: str) -> None:
    if not allowed:
        raise SqlRefused(what)
