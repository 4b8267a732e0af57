"""serve/ops/metrics.py"""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.forecast import Forecast
from serve.ops.metrics import Metrics, State
from storage.errors import BackupError
from storage.model.wait_reasons import WaitKind, WaitReason
from tests.unit.serve.fakes import Clock, RecordingOwners

_SHARD = {"owned": True, "messages": 40, "segments": 2, "size_bytes": 900, "stored_bytes": 300, "defective": 1}
_STATE = State(
    shards=[{"shard_id": 0, **_SHARD}, {"shard_id": 1, **_SHARD, "owned": False}],
    phases=[
        {"shard_id": 0, "phase": "current", "mailboxes": 7, "failed": 2, "lag_s": 31.5},
        {"shard_id": 0, "phase": "new", "mailboxes": 1, "failed": 0, "lag_s": None},
    ],
    quota=Forecast("2026-11-24", 1200, 10.0, 15_600, 80_000_000),
)


def _samples(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


class _Asked:
    def __init__(self, state: State = _STATE) -> None:
        self.state, self.times = state, 0

    async def __call__(self) -> State:
        self.times += 1
        return self.state


async def test_the_days_units_and_where_they_lead_are_told() -> None:
    samples = _samples(await Metrics(_Asked(), RecordingOwners(), 1).render())

    assert samples["gbm_quota_units_today",] == 1200
    assert samples["gbm_quota_units_by_midnight",] == 15_600
    assert samples["gbm_quota_units_billing_threshold",] == 80_000_000


async def test_without_a_threshold_none_is_told() -> None:
    free = State([], [], Forecast("2026-11-24", 0, 0.0, 0, None))

    assert b"threshold" not in await Metrics(_Asked(free), RecordingOwners(), 1).render()


async def test_shards_and_phases_are_told_by_number_and_name() -> None:
    samples = _samples(await Metrics(_Asked(), RecordingOwners(), 1).render())

    assert (samples["gbm_shard_owned", "0"], samples["gbm_shard_owned", "1"]) == (1, 0)
    assert samples["gbm_archive_bytes", "1"] == 300
    assert samples["gbm_mailboxes", "current", "0"] == 7
    assert samples["gbm_sync_lag_seconds", "current", "0"] == 31.5
    assert ("gbm_sync_lag_seconds", "new", "0") not in samples


async def test_what_owners_alone_know_is_asked_of_them() -> None:
    samples = _samples(await Metrics(_Asked(), RecordingOwners(), 1).render())

    assert samples["gbm_gmail_calls_under_way", "1"] == 3
    assert samples["gbm_quota_granted_units_total", "0"] == 250


async def test_an_owner_that_does_not_answer_hides_nothing_else() -> None:
    samples = _samples(await Metrics(_Asked(), RecordingOwners(failure=BackupError("gone")), 1).render())

    assert samples["gbm_messages", "0"] == 40
    assert ("gbm_gmail_calls_under_way", "0") not in samples


async def test_asking_again_at_once_asks_no_database() -> None:
    asked, clock = _Asked(), Clock()
    metrics = Metrics(asked, RecordingOwners(), 1, clock)

    first = await metrics.render()
    assert (await metrics.render(), asked.times) == (first, 1)
    clock.now += 60
    await metrics.render()
    assert asked.times == 2


async def test_a_failure_is_not_kept_for_an_answer() -> None:
    async def unknown() -> State:
        raise BackupError("no database")

    metrics = Metrics(unknown, RecordingOwners(), 1)
    for _ in range(2):
        with pytest.raises(BackupError):
            await metrics.render()


async def test_what_waits_is_counted_by_shard_and_reason_and_never_by_user() -> None:
    waits = [WaitReason(1, user_id, WaitKind.GMAIL_UNREACHABLE, "no route", 1.0) for user_id in (7, 8)]
    waits.append(WaitReason(0, 0, WaitKind.DISK_FULL, "full", 1.0))
    metrics = Metrics(_Asked(replace(_STATE, waits=waits)), RecordingOwners(), 1)

    samples = _samples(await metrics.render())

    assert samples["gbm_waiting", "gmail_unreachable", "1"] == 2
    assert samples["gbm_waiting", "disk_full", "0"] == 1
    assert await metrics.waiting() == {"gmail_unreachable": 2, "disk_full": 1}
