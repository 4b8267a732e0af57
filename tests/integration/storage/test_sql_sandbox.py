"""SQL of a mailbox's owner answers, and gets out of its process in no way, nor does what the grammar lets through."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from storage.errors import BackupError
from storage.files.bounded_table import TableTooLarge
from storage.sql_sandbox.config import SandboxConfig
from storage.sql_sandbox.encoding import Form
from storage.sql_sandbox.errors import SqlCrashed, SqlInvalid, SqlRefused, SqlTimedOut, SqlTooLarge
from storage.sql_sandbox.grammar import _FUNCTIONS, check
from storage.sql_sandbox.process import _Child, ask, ask_coded
from tests.integration.storage.factory import Mail, Shard

VIEWS = frozenset({"messages", "recipients", "labels", "label_events", "attachments", "analysis"})
SHORT = SandboxConfig(time_s=5, memory_bytes=128 << 20)
#: A process starts slowly where others are busy.
PATIENT = SandboxConfig(time_s=60, memory_bytes=128 << 20)
SECRET = "of-another"
ROOM = 1 << 20

#: Out of the process: files, the network, settings, extensions, the catalogue, other statements.
ESCAPES = (
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_json_auto('/etc/passwd')",
    "SELECT * FROM read_parquet('FOLDER/**/*.parquet')",
    "SELECT * FROM parquet_scan('FOLDER/**/*.parquet')",
    "SELECT * FROM parquet_metadata('FOLDER/**/*.parquet')",
    "SELECT * FROM parquet_schema('FOLDER/**/*.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'FOLDER/x.parquet'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'https://127.0.0.1:1/x.csv'",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
    "SELECT * FROM read_parquet('s3://bucket/key')",
    "SELECT * FROM messages WHERE id IN (SELECT content FROM read_text('/etc/passwd'))",
    "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM messages, LATERAL (SELECT * FROM read_text(messages.subject))",
    "SELECT * FROM messages UNION ALL SELECT * FROM read_text('/etc/passwd')",
    "SELECT CASE WHEN true THEN (SELECT count(*) FROM glob('/*')) END",
    "SELECT list_transform([1], lambda x: (SELECT max(content) FROM read_text('/etc/passwd')))",
    "ATTACH '/tmp/x.db'",
    "ATTACH 'FOLDER/x.db' AS x; SELECT 1",
    "DETACH memory",
    "USE memory",
    "COPY messages TO '/tmp/out.csv'",
    "COPY (SELECT 1) TO '/tmp/out.parquet'",
    "COPY messages FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/out'",
    "IMPORT DATABASE '/tmp/out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/x.so'",
    "FORCE INSTALL httpfs FROM 'http://127.0.0.1:1'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "SET GLOBAL threads = 99",
    "PRAGMA database_list",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA profiling_output = '/tmp/x'",
    "CALL pragma_version()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM duckdb_logs()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM memory.main.messages",
    "SELECT * FROM system.main.messages",
    "SELECT getenv('PATH')",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SET VARIABLE x = 1",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('messages')",
    "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "PREPARE q AS SELECT 1",
    "EXECUTE q",
    "SELECT 1; DROP TABLE messages",
    "SELECT $1",
    "SELECT $name",
    "CREATE TABLE x AS SELECT * FROM messages",
    "CREATE MACRO f(x) AS x",
    "CREATE SECRET (TYPE s3)",
    "CREATE FUNCTION f() AS 1",
    "INSERT INTO messages SELECT * FROM messages",
    "UPDATE messages SET subject = ''",
    "DELETE FROM messages",
    "DROP VIEW messages",
    "ALTER TABLE messages ADD COLUMN x INTEGER",
    "VACUUM",
    "CHECKPOINT",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT * FROM VIEWS_OF_PYTHON",
    "SELECT * FROM asked",
    "SELECT * FROM database",
    "SELECT nextval('x')",
    "SELECT * FROM repeat_row(1, num_rows = 10)",
    "SELECT * FROM seq_scan('messages')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM python_map_function(1)",
    "DESCRIBE messages",
    "SUMMARIZE messages",
    "SHOW TABLES",
)
#: More than there is.
BOMBS = (
    "SELECT count(*) FROM messages a, messages b, messages c, messages d, messages e, range(1000000000000) f",
    "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT count(*) FROM t",
    "WITH RECURSIVE t AS (SELECT 'x' AS a UNION ALL SELECT a || a FROM t) SELECT max(len(a)) FROM t",
    "SELECT repeat('x', 1000000000)",
    "SELECT range(1000000000)",
    "SELECT list(x) FROM range(1000000000) AS r(x)",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
    "SELECT regexp_replace(repeat('a', 5000000), '(a+)+b', 'x', 'g') FROM range(100000)",
    "SELECT count(DISTINCT a.range * b.range) FROM range(100000) a, range(100000) b",
    "SELECT * FROM range(100000000) ORDER BY hash(range) LIMIT 5 OFFSET 99999990",
    "SELECT sum(x.range) FROM range(100000000000) x",
    "SELECT lpad('x', 2000000000, 'y')",
)


@pytest.fixture
def mailbox(shard: Shard) -> Iterator[tuple[Shard, int]]:
    """A mailbox of three messages, in one archive, one database and one segment with another's."""
    mine, other = shard.user(), shard.user()
    mails = [Mail(n, subject=f"mine {n}", labels=("INBOX", "UNREAD") if n == 1 else ("INBOX",)) for n in (1, 2, 3)]
    manifest, index = shard.write(
        (mine, mails), (other, [Mail(9, subject=SECRET, text=SECRET, sender=f"{SECRET}@x.example")])
    )
    assert shard.catalog.commit(shard.plan([mine, other], manifest), index)
    shard.change(mine, (2, "STARRED", True))
    shard.change(other, (9, SECRET, True))
    yield shard, mine


def answer(mailbox: tuple[Shard, int], sql: str, config: SandboxConfig = SHORT, checked: bool = True) -> pa.Table:
    shard, user = mailbox
    return ask(sql, shard.reader(user).views, config, checked)[0]


def test_questions_are_answered(mailbox: tuple[Shard, int]) -> None:
    for sql, expected in (
        ("SELECT subject FROM messages ORDER BY subject DESC LIMIT 1", [{"subject": "mine 3"}]),
        ("SELECT id, unread FROM messages WHERE unread", [{"id": "1", "unread": True}]),
        ("SELECT id FROM messages WHERE first_from_sender", [{"id": "1"}]),
        ("SELECT date_trunc('month', received_at) AS m, count(*) AS n FROM messages GROUP BY ALL", None),
        ("SELECT address, count(*) AS n FROM recipients GROUP BY 1", [{"address": "bob@example.com", "n": 3}]),
        ("SELECT count(*) AS n FROM labels WHERE label_id = 'INBOX'", [{"n": 3}]),
        ("SELECT message_id, label_id FROM label_events", [{"message_id": "2", "label_id": "STARRED"}]),
        ("SELECT count(*) AS n FROM attachments", [{"n": 0}]),
        ("SELECT count(*) AS n FROM analysis", [{"n": 0}]),
        (
            "WITH x AS (SELECT * FROM messages) SELECT count(*) AS n FROM x JOIN labels l ON l.message_id = x.id",
            [{"n": 5}],
        ),
        ("SELECT list_transform([1, 2], lambda x: x + 1) AS l", [{"l": [2, 3]}]),
        ("SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY id) AS n FROM messages)", [{"n": 3}]),
    ):
        found = answer(mailbox, sql, PATIENT).to_pylist()
        assert found == expected if expected is not None else found[0]["n"] == 3, sql


def test_nothing_of_another_is_ever_fed(mailbox: tuple[Shard, int]) -> None:
    shard, user = mailbox
    views = shard.reader(user).views
    assert {*views.names} == VIEWS
    for name in views.names:
        assert SECRET not in repr(views.table(name, None, ROOM).to_pylist()), name
    assert views.table("messages", ["subject"], ROOM).column_names == ["subject"]
    empty = shard.reader(shard.user()).views
    assert {name: empty.table(name, None, ROOM).num_rows for name in empty.names} == dict.fromkeys(VIEWS, 0)


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


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "DROP VIEW messages"]
)
def test_a_refusal_comes_from_the_process(mailbox: tuple[Shard, int], sql: str) -> None:
    with pytest.raises(SqlRefused):
        answer(mailbox, sql, PATIENT)


@pytest.mark.parametrize("sql", BOMBS[:4])
def test_a_bomb_takes_its_share_and_no_more(mailbox: tuple[Shard, int], sql: str) -> None:
    with pytest.raises((SqlTimedOut, SqlTooLarge, SqlCrashed)):
        answer(mailbox, sql, SandboxConfig(time_s=2, memory_bytes=128 << 20))
    assert answer(mailbox, "SELECT count(*) AS n FROM messages", PATIENT).to_pylist() == [{"n": 3}]


def test_an_answer_is_cut_off_and_bounded(mailbox: tuple[Shard, int]) -> None:
    shard, user = mailbox
    views = shard.reader(user).views
    table, cut = ask("SELECT * FROM range(5000)", views, SandboxConfig(rows=10))
    assert (table.num_rows, cut) == (10, True)
    assert ask("SELECT * FROM range(10)", views, SandboxConfig(rows=10))[1] is False
    with pytest.raises(SqlTooLarge):
        ask("SELECT repeat('x', 100000) FROM range(5000)", views, SandboxConfig(answer_bytes=1 << 20))
    with pytest.raises(SqlTooLarge):
        ask("SELECT * FROM messages", views, SandboxConfig(input_bytes=10))
    for name in views.names:
        rows = views.table(name, None, ROOM)
        if rows.num_rows:
            with pytest.raises(TableTooLarge):
                views.table(name, None, rows.nbytes // 2)
    with pytest.raises(SqlRefused):
        ask("SELECT 1 -- " + "x" * (1 << 21), views, SHORT)


def test_the_process_has_none_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GBM_SEALING__KEY", SECRET)
    with _Child(SHORT) as child:
        environment = Path(f"/proc/{child.pid}/environ").read_text()
    assert "LANG=" in environment
    assert SECRET not in environment


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("sql", ESCAPES)
def test_the_process_holds_without_the_grammar(mailbox: tuple[Shard, int], tmp_path: Path, sql: str) -> None:
    """What it answers is nothing that it was not given, and nothing stays behind."""
    shard, _ = mailbox
    asked = sql.replace("FOLDER", str(shard.root))
    try:
        found = answer(mailbox, asked, checked=False).to_pylist()
    except BackupError as exc:
        assert isinstance(exc, SqlInvalid | SqlRefused | SqlTooLarge | SqlTimedOut | SqlCrashed)
        found = []
    told = repr(found)
    assert SECRET not in told
    assert "root:" not in told
    assert not [
        path
        for path in map(Path, ("/tmp/out.csv", "/tmp/out.parquet", "/tmp/out", "/tmp/x.db", "/tmp/x"))
        if path.is_file()
    ]
    assert answer(mailbox, "SELECT count(*) AS n FROM messages", PATIENT).to_pylist() == [{"n": 3}]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("sql", BOMBS)
def test_every_bomb_takes_its_share_and_no_more(mailbox: tuple[Shard, int], sql: str) -> None:
    with pytest.raises((SqlTimedOut, SqlTooLarge, SqlCrashed)):
        answer(mailbox, sql, SHORT)


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


def test_the_process_of_a_question_may_start_no_other() -> None:
    limited = "from storage.sql_sandbox.child import _limit; import resource; _limit({})"
    asked = {"time_s": 5, "memory_bytes": 1 << 30, "input_bytes": 0}
    program = limited.format(asked) + "; print(resource.getrlimit(resource.RLIMIT_NPROC))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0)"


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


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_coded_answer_is_bounded_and_not_what_arrow_holds(mailbox: tuple[Shard, int], form: Form) -> None:
    shard, user = mailbox
    large = "x" * 8000
    sql = f"SELECT 0::ENUM('{large}') AS e FROM range(10000)".replace("0::", f"'{large}'::")
    views, config = shard.reader(user).views, SandboxConfig(time_s=60, answer_bytes=1 << 20)
    with pytest.raises(SqlTooLarge):
        ask_coded(sql, views, config, form)
    answer = ask_coded(f"{sql} LIMIT 100", views, config, form)
    with answer.file as file:
        assert len(file.read()) == answer.size > 100 * 8000


_SHUT_IN = """
import os, socket, sys
import duckdb
from storage.sql_sandbox import wall
assert wall.lacking() == [], "this kernel has it all"
assert wall.build() == []
for attempt in ("open('/etc/passwd')", "socket.socket()", "os.fork()", "os.execv('/bin/true', ['true'])",
                "os.kill(1, 0)", "os.listdir('/')", "os.mkdir('/tmp/x')", "os.symlink('a', '/tmp/x')"):
    try:
        eval(attempt)
    except PermissionError:
        continue
    sys.exit(attempt)
"""


def test_the_process_is_shut_in_by_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", _SHUT_IN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_process_grows_no_larger_than_is_promised(
    mailbox: tuple[Shard, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """512 MiB for DuckDB, and what Python, DuckDB and Arrow are by themselves."""
    shard, user = mailbox
    peaks_mib: list[int] = []

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        ended, status, usage = os.wait4(pid, options)
        if ended:
            peaks_mib.append(usage.ru_maxrss >> 10)
        return ended, status

    monkeypatch.setattr(os, "waitpid", waitpid)
    code = f"SELECT list(x) FROM range({10**8}) AS r(x)"
    with pytest.raises((SqlTooLarge, SqlTimedOut, SqlCrashed)):
        ask(code, shard.reader(user).views, SandboxConfig(time_s=20))
    assert peaks_mib and max(peaks_mib) < 1100
