"""A command that joins a running campaign covers what changed before it was called."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from actors.decisions import Mode
from cluster import backfill as module
from cluster.backfill import BackfillResult, backfill

RESULT = BackfillResult(1, "job", 2.0, 1.0, 40, 4000, 200, 40, 4000, 0)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order. The first campaign that is asked for runs already."""
    happened: list[str] = []
    campaigns = iter([(1, False), (2, True)])

    def begin(*_: Any) -> tuple[Any, bool]:
        number, new = next(campaigns)
        happened.append(f"begin {number}")
        return SimpleNamespace(campaign_id=number), new

    def show(_: Any, campaign_id: int, *__: Any) -> BackfillResult:
        happened.append(f"end {campaign_id}")
        return replace(RESULT, campaign_id=campaign_id)

    monkeypatch.setattr(module, "Campaigns", lambda _: SimpleNamespace(begin=begin))
    monkeypatch.setattr(module, "members_of", lambda *_: {})
    monkeypatch.setattr(module, "Baseline", SimpleNamespace(of=lambda *_: None))
    monkeypatch.setattr(module, "start", lambda *_: SimpleNamespace(job_id="job"))
    monkeypatch.setattr(module, "show", show)
    return happened


def stores() -> Any:
    return SimpleNamespace(databases=SimpleNamespace(control=None))


def test_who_waits_for_a_joined_campaign_waits_for_another_that_begins_after_it(told: list[str]) -> None:
    result = backfill(stores(), "http://dashboard", [], True, Mode.INCREMENTAL)

    assert told == ["begin 1", "end 1", "begin 2", "end 2"]
    assert result is not None and (result.campaign_id, result.messages, result.seconds) == (2, 80, 4.0)


def test_who_does_not_wait_only_joins(told: list[str]) -> None:
    assert backfill(stores(), "http://dashboard", [], False, Mode.INCREMENTAL) is None
    assert told == ["begin 1"]
