"""SQL over one's own mail, over HTTP: as JSON, CSV or Arrow, and what is wrong with it as a problem."""

import csv
import io

import httpx
import pyarrow as pa
import pytest

from tests.integration.serve.conftest import Archive, mail, signed_in

PATH = "/api/v1/analytics/query"


@pytest.fixture
async def ann(client: httpx.AsyncClient, archive: Archive) -> dict[str, str]:
    """Her header; she has two messages, and another has one."""
    user, key = archive.add_user("ann@example.com")
    other, _ = archive.add_user("bob@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("=cmd|' /c calc'!A1")), (2, ["INBOX", "UNREAD"], mail("two"))])
    archive.commit(other, [(3, ["INBOX"], mail("of another"))])
    return await signed_in(client, key)


async def asked(client: httpx.AsyncClient, headers: dict[str, str], sql: str, accept: str = "") -> httpx.Response:
    return await client.post(PATH, json={"sql": sql}, headers={**headers, "Accept": accept or "application/json"})


async def test_answers_come_as_json(client: httpx.AsyncClient, ann: dict[str, str]) -> None:
    sql = (
        "SELECT id, subject, unread, size_bytes * 1e15::BIGINT AS large, [1, 2] AS list FROM messages ORDER BY id DESC"
    )
    answer = await asked(client, ann, sql)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [column["name"] for column in told["columns"]] == ["id", "subject", "unread", "large", "list"]
    assert [row[:3] for row in told["rows"]] == [["2", "two", True], ["1", "=cmd|' /c calc'!A1", False]]
    assert isinstance(told["rows"][0][3], str), "JavaScript would round it"
    assert told["truncated"] is False


async def test_answers_come_as_csv_that_no_spreadsheet_runs(client: httpx.AsyncClient, ann: dict[str, str]) -> None:
    answer = await asked(client, ann, "SELECT subject, deleted_at FROM messages ORDER BY id", "text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["subject", "deleted_at"],
        ["'=cmd|' /c calc'!A1", ""],
        ["two", ""],
    ]


async def test_answers_come_as_arrow(client: httpx.AsyncClient, ann: dict[str, str]) -> None:
    answer = await asked(client, ann, "SELECT count(*) AS n FROM messages", "application/vnd.apache.arrow.stream")
    assert pa.ipc.open_stream(answer.content).read_all().to_pylist() == [{"n": 2}]
    assert answer.headers["x-gbm-truncated"] == "false"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", "sql_invalid"),
        ("SELECT nothing FROM messages", "sql_invalid"),
        ("SELECT * FROM read_text('/etc/passwd')", "sql_refused"),
        ("DROP TABLE messages", "sql_refused"),
        ("SELECT repeat('x', 100000) FROM range(1000)", "sql_too_large"),
    ],
)
async def test_what_is_wrong_is_a_problem(client: httpx.AsyncClient, ann: dict[str, str], sql: str, code: str) -> None:
    answer = await asked(client, ann, sql)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text


TYPES = (
    *("TIMESTAMP 'infinity'", "DATE '5000000-01-01'", "TIMESTAMP '290000-01-01'", "TIMESTAMPTZ '2024-05-01 10:00+02'"),
    *(
        "INTERVAL 3 MONTHS",
        "TIME '10:00'",
        "'\\xAA'::BLOB",
        "uuid()",
        "MAP {'a': 1}",
        "{'a': [1, NULL]}",
        "170141183460469231731687303715884105727::HUGEINT",
    ),
    *("'NaN'::DOUBLE", "'inf'::DOUBLE", "1.5::DECIMAL(18, 3)", "'101'::BIT", "[DATE 'infinity']", "NULL", "true"),
)


@pytest.mark.slow
@pytest.mark.parametrize("value", TYPES)
async def test_every_kind_of_value_is_answered_or_refused(
    client: httpx.AsyncClient, ann: dict[str, str], value: str
) -> None:
    for accept in ("application/json", "text/csv", "application/vnd.apache.arrow.stream"):
        answer = await asked(client, ann, f"SELECT {value} AS v", accept)
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            assert answer.json()["code"] == "sql_invalid"
