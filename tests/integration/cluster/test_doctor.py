"""`gbm doctor` on real databases and a real HTTP server: what is wrong is found, named, and decides the exit code."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from cluster.doctor import databases as checks_of_databases
from cluster.stores import Stores
from storage.db.audit import BACKUP_ACTION, Audit
from storage.db.engines import transaction
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Shard


class _Google(BaseHTTPRequestHandler):
    """Refuses every call without credentials, as Google does."""

    skew = timedelta()

    def do_GET(self) -> None:
        self.send_response_only(401)
        self.send_header("Date", format_datetime(datetime.now(UTC) + self.skew, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output stays clean."""


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Google]]:
    """Google's addresses, on loopback."""
    handler = type("Google", (_Google,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("GBM_GMAIL__ENDPOINT", address)
        monkeypatch.setenv("GBM_GMAIL__TOKEN_URI", f"{address}/token")
        yield handler
        server.shutdown()


def _doctor() -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and the findings by check."""
    result = gbm("doctor", "--json")
    by_check: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(result.stdout)["findings"]:
        by_check.setdefault(finding["check"], []).append(finding)
    return result.exit_code, by_check


def _levels(findings: list[dict[str, Any]]) -> set[str]:
    return {finding["level"] for finding in findings}


@pytest.mark.usefixtures("google")
def test_a_healthy_installation_has_no_errors(shard: Shard) -> None:
    code, found = _doctor()

    assert code == 0, found
    checks = ("home", "archive disk", "databases", "schemas", "sealing key", "replicas", "Gmail", "quota", "mailboxes")
    for check in (*checks, "waits", "API keys", "releases", "roll-ups", "database backup"):
        assert _levels(found[check]) == {"ok"}, found[check]
    assert shard.shard_id >= 0


@pytest.mark.usefixtures("google")
def test_what_is_wrong_with_mailboxes_and_databases_is_named_with_what_to_do(
    shard: Shard, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(shard.catalog.engine) as connection:
        connection.execute(
            text(
                "UPDATE mailboxes SET shard_id = 0, error = 'Google refuses the grant.',"
                " synced_at = now() - interval '9 hours'"
            )
        )
        connection.execute(text("UPDATE segments SET created_at = now() - interval '3 days'"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    Audit(stores.databases.control).note([("command line", BACKUP_ACTION, "/backup", {"rows": 1})])
    monkeypatch.setattr(checks_of_databases, "_OLD_BACKUP", timedelta(0))

    code, found = _doctor()

    assert code == 1
    assert any(f"{ANN} (Google refuses the grant.)" in finding["detail"] for finding in found["mailboxes"])
    assert any(f"not synced for hours: {ANN}" in finding["detail"] for finding in found["mailboxes"])
    assert "the last backup is 0 days old" in found["database backup"][0]["detail"]
    assert "mail of 3 days is not in a roll-up" in found["roll-ups"][0]["detail"]
    assert [finding["level"] for finding in found["schemas"]] == ["error"]
    assert "gbm db upgrade" in found["schemas"][0]["remedy"]


@pytest.mark.usefixtures("shard")
@pytest.mark.parametrize(("skew", "level"), [(timedelta(seconds=60), "warning"), (timedelta(minutes=-20), "error")])
def test_a_clock_that_differs_from_googles_is_reported(google: type[_Google], skew: timedelta, level: str) -> None:
    google.skew = skew
    code, found = _doctor()
    assert (_levels(found["clock"]), code) == ({level}, int(level == "error"))


@pytest.mark.usefixtures("google", "shard")
def test_a_sealing_key_that_others_can_read_is_an_error(installation: Path) -> None:
    (installation / "sealing.key").chmod(0o644)
    code, found = _doctor()
    assert code == 1
    assert "chmod 600" in found["sealing key"][0]["detail"]


@pytest.mark.usefixtures("google")
def test_databases_that_do_not_answer_do_not_hide_the_other_findings(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GBM_POSTGRES__CONTROL_DSN", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    code, found = _doctor()
    assert code == 1
    assert _levels(found["databases"]) == {"error"}
    assert _levels(found["Gmail"]) == {"ok"}
    assert installation.is_dir()


@pytest.mark.usefixtures("google", "shard")
def test_a_backup_of_the_databases_is_on_record_afterwards(tmp_path: Path) -> None:
    assert gbm("db", "backup", "--out", str(tmp_path / "backup")).exit_code == 0
    _, found = _doctor()
    assert found["database backup"][0]["detail"].startswith(str(tmp_path / "backup"))


@pytest.mark.usefixtures("google", "shard")
def test_people_read_each_finding_on_a_line_and_the_remedy_below(installation: Path) -> None:
    (installation / "sealing.key").chmod(0o644)
    result = gbm("doctor")
    assert result.exit_code == 1
    assert "error    sealing key" in result.stdout
    assert "1 errors" in result.stdout
