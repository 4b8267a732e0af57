"""Templates of queries: every placeholder is filled, exactly once."""

import re

import pytest

from storage.db.sql_files import FOLDER, fill


def test_every_placeholder_is_replaced_by_its_part() -> None:
    assert (
        fill("SELECT {columns} FROM ({table}) WHERE {columns}", columns="a", table="b") == "SELECT a FROM (b) WHERE a"
    )


def test_a_part_is_not_searched_for_placeholders() -> None:
    assert fill("{first} {second}", first="{second}", second="'{first}'") == "{second} '{first}'"


def test_an_empty_array_of_postgres_is_no_placeholder() -> None:
    assert fill("SELECT '{}', {column}", column="a") == "SELECT '{}', a"


@pytest.mark.parametrize("parts", [{}, {"tables": "a"}, {"table": "a", "condition": "b"}])
def test_a_missing_or_unknown_part_is_refused(parts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="takes the parts"):
        fill("SELECT 1 FROM {table}", **parts)


def test_a_query_documents_its_placeholders() -> None:
    for file in FOLDER.rglob("*.sql"):
        lines = file.read_text(encoding="utf-8").splitlines()
        placeholders, comments = (
            set(re.findall(r"\{[a-z_]+\}", "\n".join(line for line in lines if line.startswith("--") is comment)))
            for comment in (False, True)
        )
        assert placeholders <= comments, file.name
