"""Benchmarks that run without Ray read the data that they made, in a database of their own."""

import orjson
import pytest
from sqlalchemy import text

from cluster.stores import Stores
from storage.db.engines import transaction
from tests.integration.cluster.conftest import gbm


def test_pages_of_every_moment_are_measured_and_no_configured_database_is_touched(stores: Stores) -> None:
    result = gbm("bench", "as-of", "--messages", "300", "--events", "300", "--json")

    assert result.exit_code == 0, result.stderr
    pages = {(row["page"], row["moment"]): row for row in orjson.loads(result.stdout)}
    assert len(pages) == 12
    assert {row["messages"] for (page, _), row in pages.items() if page != "a label on no message"} == {50}
    assert {row["messages"] for (page, _), row in pages.items() if page == "a label on no message"} == {0}
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in pages.values())
    with transaction(stores.databases.shard_database(0)) as connection:
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar() == 0


@pytest.mark.usefixtures("stores")
def test_more_events_than_messages_can_have_are_refused() -> None:
    result = gbm("bench", "as-of", "--messages", "100", "--events", "300")

    assert (result.exit_code, "two events per message" in result.stderr) == (1, True)


def test_a_catalogue_is_planned_by_and_committed_to(stores: Stores) -> None:
    shape = ("--segments", "400", "--users", "50", "--users-each", "5", "--commit-users", "10")
    result = gbm("bench", "catalog", *shape, "--json")

    assert result.exit_code == 0, result.stderr
    steps = {row["step"]: row for row in orjson.loads(result.stdout)}
    assert list(steps) == ["plan a month", "plan ten years", "commit 10 users"]
    assert steps["plan ten years"]["found"] == 400 * 5 / 50
    assert steps["commit 10 users"]["found"] == 50
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in steps.values())
    with transaction(stores.databases.shard_database(0)) as connection:
        assert connection.execute(text("SELECT count(*) FROM segments")).scalar() == 0


@pytest.mark.slow
def test_an_archive_is_written_compacted_and_asked(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GBM_ARCHIVE__OPEN_SEGMENTS", "2")
    shape = ("--messages", "1500", "--users", "3", "--times", "20", "--processes", "1")
    result = gbm("bench", "archive", *shape, "--json")

    assert result.exit_code == 0, result.stderr
    told = orjson.loads(result.stdout)
    assert (told["messages"], told["users"]) == (1500, 3)
    assert 0 < told["segments"] <= told["segments_written"]
    assert set(told["bytes_per_message"]) == {"raw.zst", "parquet", "split", "index"}
    assert {"parse", "raw", "parquet", "words", "columns", "rest"} <= set(told["stages_ms"])
    latencies = told["answers"]["latencies"]
    assert all(0 < latency["p50"] <= latency["p95"] for latency in latencies.values())
    assert latencies["newest 50"]["found"] == latencies["newest 50"]["asked"] == 40
    assert latencies["timeline, all"]["found"] > 0
    with transaction(stores.databases.shard_database(0)) as connection:
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar() == 0
