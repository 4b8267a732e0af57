"""What a running cluster sees to beside its shards."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster import watching


@pytest.mark.parametrize(
    ("failures", "next_s"), [([], watching._PARTITIONS_EVERY_S), (["held"], watching._PARTITIONS_AGAIN_S)], ids=str
)
def test_partitions_are_seen_to_daily_and_sooner_when_something_was_in_the_way(
    failures: list[str], next_s: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "maintain_all", lambda databases, now: failures)

    assert watching._maintain_partitions(cast(Any, SimpleNamespace(databases=None))) == next_s
    assert [record.args for record in caplog.records] == [(failure,) for failure in failures]


def test_a_cluster_maintains_the_partitions_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    maintained = threading.Event()

    def maintain(_: object) -> float:
        maintained.set()
        return 3600.0

    monkeypatch.setattr(watching, "_clean_moves", lambda stores: None)
    monkeypatch.setattr(watching, "_warn_of_billing", lambda stores: None)
    monkeypatch.setattr(watching, "_maintain_partitions", maintain)

    with watching._in_thread(cast(Any, SimpleNamespace()), 0.001, ()):
        assert maintained.wait(30)
