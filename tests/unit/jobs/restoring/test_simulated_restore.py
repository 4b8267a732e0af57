"""Restores against the simulator, killed and lied to at any point: every message exists exactly once afterwards."""

import asyncio
from collections import Counter
from hashlib import sha256
from random import Random

import pytest

from cluster.simulator.mailbox import Message, SimulatedMailbox
from tests.unit.jobs.restoring.simulation import Archive, MemoryLedger, World, restore

SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 400))]
_STATES: tuple[list[str], ...] = (
    ["INBOX", "UNREAD"],
    ["SENT"],
    ["DRAFT"],
    ["TRASH"],
    ["SPAM", "UNREAD"],
    ["STARRED"],
    [],
    ["IMPORTANT"],
)


def _mail(chance: Random, count: int) -> list[bytes]:
    """Conversations, repeated bytes, messages without Message-ID or Date, and one that is large."""
    found: list[bytes] = []
    for number in range(count):
        kind = chance.randrange(12)
        if kind == 0 and found:
            found.append(chance.choice(found))
            continue
        headers = [f"From: a{number}@example.org", f"Subject: about {number % 7}"]
        if kind != 1:
            headers.append(f"Message-ID: <{number}@example.org>")
        if kind != 2:
            headers.append(f"Date: Mon, {1 + number % 28} Jan 2024 10:{number % 60:02}:00 +0000")
        if kind > 6 and number:
            headers.append(f"References: <{chance.randrange(number)}@example.org>")
        body = "x" * 30_000 if kind == 3 else f"body {number}"
        found.append(("\r\n".join(headers) + "\r\n\r\n" + body + "\r\n").encode())
    return found


def _mailbox(seed: int) -> SimulatedMailbox:
    chance, mailbox = Random(seed), SimulatedMailbox("ada@example.com")
    labels = [mailbox.create_label(name) for name in ("Family", "Family/Trip/Rome", "Muted", "Posteingang")]
    for raw in _mail(chance, chance.randrange(5, 30)):
        kinds = [
            ["INBOX", "UNREAD"],
            ["SENT"],
            ["DRAFT"],
            ["TRASH"],
            ["SPAM", "UNREAD"],
            ["STARRED"],
            [],
            ["IMPORTANT"],
        ]
        mailbox.add(raw, [*chance.choice(kinds), *chance.sample(labels, chance.randrange(3))])
    for message in list(mailbox.messages.values()):  # a history: labels change, mail goes
        if chance.random() < 0.2:
            mailbox.modify(message.id, [chance.choice(labels)], ["INBOX"])
    return mailbox


def _named(mailbox: SimulatedMailbox, message: Message, mapped: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    names = (mailbox.labels.get(label, label) for label in message.labels)
    return sha256(message.raw).hexdigest(), tuple(sorted(mapped.get(name, name) for name in names))


def _content(mailbox: SimulatedMailbox, mapped: dict[str, str] | None = None) -> Counter[tuple[str, tuple[str, ...]]]:
    return Counter(_named(mailbox, message, mapped or {}) for message in mailbox.messages.values())


def _threads(mailbox: SimulatedMailbox) -> Counter[tuple[str, ...]]:
    """Each thread as the digests of its messages."""
    return Counter(
        tuple(sorted(sha256(mailbox.messages[key].raw).hexdigest() for key in keys))
        for keys in mailbox.threads.values()
    )


_MAPPED = {"Muted": "Muted (restored)", "Posteingang": "Posteingang (restored)"}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_empty_mailbox_gets_every_message_once_with_labels_and_threads(seed: int) -> None:
    source, target = _mailbox(seed), SimulatedMailbox("bob@example.com")
    target.labels.clear()
    archive = Archive.of(source)
    world = World(target, seed, fault_rate=0.05, kills=Random(seed).randrange(5))

    ledger = asyncio.run(restore(world, archive, list(archive.messages), same_mailbox=False))

    assert {row.state for row in ledger.messages} == {"done"}
    assert _content(target) == _content(source, _MAPPED)
    assert _threads(target) == _threads(source)
    assert world.killed == world.kills or len(archive.messages) < 20


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_mail_before_which_gmail_puts_header_fields_comes_back_once(seed: int) -> None:
    source, target = _mailbox(seed), SimulatedMailbox("bob@example.com")
    target.traces_imports = True
    archive = Archive.of(source)
    world = World(target, seed, fault_rate=0.15, kills=Random(seed).randrange(5))

    ledger = asyncio.run(restore(world, archive, list(archive.messages), same_mailbox=False))

    assert {row.state for row in ledger.messages} == {"done"}
    there = Counter(
        message.raw.split(b"\r\nX-Received: ", 1)[1].split(b"\r\n", 2)[2] for message in target.messages.values()
    )
    assert there == Counter(message.raw for message in source.messages.values())
    assert len({row.new_id for row in ledger.messages}) == len(source.messages)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_an_attacker_deleted_and_relabelled_comes_back_beside_what_stayed(seed: int) -> None:
    chance, mailbox = Random(seed), _mailbox(seed)
    archive, before, threads = Archive.of(mailbox), _content(mailbox), _threads(mailbox)
    untouched = {key: message.labels for key, message in mailbox.messages.items()}
    for message in list(mailbox.messages.values()):
        if chance.random() < 0.5:
            mailbox.delete(message.id)
        elif chance.random() < 0.5 and not {"SENT", "DRAFT"} & message.labels:
            mailbox.modify(message.id, ["TRASH", "Label_1"], ["INBOX", "STARRED"])
    survivors = set(mailbox.messages)
    world = World(mailbox, seed, fault_rate=0.05, kills=chance.randrange(5))

    ledger = asyncio.run(restore(world, archive, list(archive.messages), same_mailbox=True, relabel=True))

    assert {row.state for row in ledger.messages} <= {"done", "present"}
    assert _content(mailbox) == before, "labels of the mailbox itself are kept by their ids, whatever their names"
    assert _threads(mailbox) == threads
    assert survivors <= set(mailbox.messages), "nothing is deleted"
    assert all(mailbox.messages[key].labels == untouched[key] for key in survivors)


def test_messages_that_the_target_has_are_not_imported_again_and_keep_their_labels() -> None:
    source = _mailbox(7)
    archive, target = Archive.of(source), SimulatedMailbox("bob@example.com")
    some = list(source.messages.values())[::2]
    for message in some:
        target.add(message.raw, ["INBOX"])

    ledger = asyncio.run(restore(World(target, 7), archive, list(archive.messages), same_mailbox=False))

    states = Counter(row.state for row in ledger.messages)
    assert states == {"present": len(some), "done": len(source.messages) - len(some)}
    digests = Counter(sha256(message.raw).digest() for message in target.messages.values())
    assert digests == Counter(sha256(message.raw).digest() for message in source.messages.values())


def test_a_restore_reports_what_came_back_with_another_date() -> None:
    source = SimulatedMailbox("ada@example.com")
    source.add(b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nlate\r\n", date_ms=1_800_000_000_000)
    source.add(b"Subject: none\r\n\r\nundated\r\n", date_ms=1_700_000_000_000)
    source.add(b"Date: Tue, 2 Jan 2024 00:00:00 +0000\r\n\r\nequal\r\n")
    archive = Archive.of(source)

    ledger = _restored(archive, SimulatedMailbox("bob@example.com"))

    details = {archive.messages[row.message_id][1].split()[-1]: row.detail for row in ledger.messages}
    assert details[b"equal"] is None
    assert "2024-01-01T00:00:00Z by its Date header instead of 2027-01-15" in str(details[b"late"])
    assert "no readable Date header" in str(details[b"undated"])


def _restored(archive: Archive, target: SimulatedMailbox) -> MemoryLedger:
    return asyncio.run(restore(World(target, 1), archive, list(archive.messages), same_mailbox=False))
