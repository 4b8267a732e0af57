"""When a restore gives up: a look that always fails (restore.py), an upload that does not get on (writes.py)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.simulator.mailbox import SimulatedMailbox
from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import GmailUnavailable
from jobs.gmail.transport import Answer
from jobs.gmail.writes import GmailWriter, WriteUncertain
from jobs.restoring.driver import RestoreDriver
from jobs.restoring.label_creation import TargetLabels
from jobs.restoring.restore import Again, Look, Patience, RestoreWork
from storage.control.restore_records import MessageOutcome, RestoreConflict, RestoreMessage
from tests.unit.jobs.restoring.simulation import Archive, MemoryLedger, World

_URL = "http://127.0.0.1:1"


def test_a_look_that_always_fails_gives_the_message_up() -> None:
    at = datetime(2024, 5, 1, tzinfo=UTC)
    message = RestoreMessage(1, 0, 1, at, bytes(32), 1, (), state="sent")
    work, now, given_up = RestoreWork([message], {}, Patience(attempts=4), 0.0), 0.0, None
    looks = 0
    while given_up is None:
        due = work.wake_at()
        assert due is not None
        now = max(now, due)
        step = work.take(now)
        assert isinstance(step, Look)
        looks += 1
        given_up = work.answered(step, Again("Gmail's answer cannot be read"), now)

    assert looks == 4
    assert isinstance(given_up, MessageOutcome) and given_up.state == "failed"
    assert str(given_up.detail).startswith("whether it was imported is not known")
    assert work.left == 0


def test_a_run_that_a_newer_one_replaced_begins_nothing() -> None:
    source, target = SimulatedMailbox("ada@example.com"), SimulatedMailbox("bob@example.com")
    source.add(b"Subject: x\r\n\r\nhi\r\n")
    archive = Archive.of(source)
    ledger = MemoryLedger({number: row for number, (row, _) in archive.messages.items()}, run=2)
    world = World(target, 1)
    labels = TargetLabels(world, [], {}, lambda _outcome: None)
    driver = RestoreDriver(
        1,
        ledger,
        world.writer,
        labels,
        lambda row: archive.messages[row.message_id][1],
        world,
        world,
        world,
        Patience(),
        6,
        1,
    )

    with pytest.raises(RestoreConflict):
        asyncio.run(driver.run(ledger.messages, {}))

    assert not target.messages
    assert not world.api.answered, "it asks Gmail for nothing"


class _Stuck:
    """A server that takes every part and says that nothing more than `arrived` bytes have come."""

    def __init__(self, arrived: int) -> None:
        self._arrived, self.parts = arrived, 0

    def send(self, call: Call, token: str) -> Answer:
        if call.method == "POST":
            return Answer(200, {"location": f"{_URL}/upload"}, b"", None, sent=True)
        self.parts += 1
        told: dict[str, Any] = {"range": f"bytes=0-{self._arrived - 1}"} if self._arrived else {}
        return Answer(308, told, b"", None, sent=True)


@pytest.mark.parametrize(
    ("arrived", "raised"),
    [(0, GmailUnavailable), (256 * 1024, WriteUncertain), (400_000, WriteUncertain)],
    ids=["before the last part", "at the last part", "whole"],
)
def test_an_upload_that_does_not_get_on_is_given_up(arrived: int, raised: type[Exception]) -> None:
    server = _Stuck(arrived)
    writer = GmailWriter(GmailConfig(endpoint=_URL), server, one_request_bytes=1000, part_bytes=256 * 1024)
    with pytest.raises(raised):
        writer.import_message("token", b"x" * 400_000, [], None)
    assert 3 < server.parts < 10
