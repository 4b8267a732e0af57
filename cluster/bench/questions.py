"""Queries of `gbm bench archive`, measured in a new process.

Cold: the first query of its kind in the process; files may be in the operating system's cache. Warm: queries after the
first twenty, which also open files for the first time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

import psutil

from cluster.settings import Settings
from cluster.stores import Stores, open_stores
from storage.fleet.senders import FleetSenders
from storage.model.mail_query import MailQuery
from storage.model.records import User
from storage.model.results import Email
from storage.reader import MailboxReader

_LETTERS = 5
#: Queries after the first that are not counted, because they open files for the first time.
_OPENING = 20
#: Messages from which the search words are taken.
_SAMPLED = 60


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency of one kind of query in milliseconds. p50, p95: warm queries; found: non-empty results."""

    asked: int
    found: int
    cold: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class QueryLatencies:
    """Measurements of the querying process.

    first_list_ms: from opening the databases to the first list.
    peak_mb: peak resident memory without file mappings.
    """

    latencies: dict[str, Latency]
    first_list_ms: float
    peak_mb: float


def ask_all(
    settings: Settings, users: Sequence[User], large: User, ids: dict[int, list[int]], times: int
) -> QueryLatencies:
    """Run every query `times` times.

    Args:
        large: the user whose mailbox is searched for words.
        ids: messages of each user, by user id.
    """
    process, chance = psutil.Process(), Random(20261124)  # noqa: S311 - not for secrets
    with open_stores(settings) as stores:
        started = time.perf_counter()
        stores.reader(large).emails(limit=50)
        first_list_ms = 1000 * (time.perf_counter() - started)
        latencies = {
            name: _time(question, times if cheap else max(times // 10, 5), process)
            for name, cheap, question in _questions(stores, users, large, ids, chance)
        }
        peak = max(latency[1] for latency in latencies.values())
    return QueryLatencies({name: latency for name, (latency, _) in latencies.items()}, round(first_list_ms, 1), peak)


Question = Callable[[], object]


def _questions(
    stores: Stores, users: Sequence[User], large: User, ids: dict[int, list[int]], chance: Random
) -> list[tuple[str, bool, Question]]:
    readers = {user.user_id: stores.reader(user) for user in users}
    big = readers[large.user_id]
    sampled = [email for email in (_any_email(readers, ids, large, chance) for _ in range(_SAMPLED)) if email]
    words = [word for email in sampled for word in _words(email)]
    phrases = [phrase for email in sampled for phrase in _phrases(email)]
    senders = [email.summary.sender.rpartition("<")[2].rstrip(">") for email in sampled]
    fleet_senders = FleetSenders(stores.databases, stores.blobs)

    def random_user() -> User:
        return chance.choice(users)

    def by_id() -> Email | None:
        user = random_user()
        return readers[user.user_id].email(chance.choice(ids[user.user_id]))

    return [
        ("email by id with body", True, by_id),
        ("newest 50", True, lambda: readers[random_user().user_id].emails(limit=50).items),
        ("label, newest 50", True, lambda: readers[random_user().user_id].emails(MailQuery(labels=("Label_1",))).items),
        (
            "sender, newest 50",
            True,
            lambda: readers[random_user().user_id].emails(MailQuery(f"from:{chance.choice(senders)}")).items,
        ),
        ("word in the large mailbox", True, lambda: big.emails(MailQuery(chance.choice(words))).items),
        ("phrase in the large mailbox", True, lambda: big.emails(MailQuery(f'"{chance.choice(phrases)}"')).items),
        ("top senders, one mailbox", True, lambda: readers[random_user().user_id].top_senders(20)),
        ("timeline, one mailbox", True, lambda: readers[random_user().user_id].timeline()),
        ("top senders, all", False, lambda: fleet_senders.top_senders(20)),
        ("timeline, all", False, fleet_senders.timeline),
    ]


def _any_email(
    readers: dict[int, MailboxReader], ids: dict[int, list[int]], user: User, chance: Random
) -> Email | None:
    return readers[user.user_id].email(chance.choice(ids[user.user_id]))


def _words(email: Email) -> list[str]:
    long_words = [word for word in email.text.split() if len(word) >= _LETTERS and word.isascii() and word.isalpha()]
    return long_words[:3]


def _phrases(email: Email) -> list[str]:
    tokens = email.text.split()
    return [f"{a} {b}" for a, b in pairwise(tokens) if (a + b).isalpha() and (a + b).isascii() and len(b) >= _LETTERS][
        :3
    ]


def _time(question: Question, times: int, process: psutil.Process) -> tuple[Latency, float]:
    taken, non_empty, peak = [], 0, 0.0
    for _ in range(times + _OPENING):
        started = time.perf_counter()
        answer: Any = question()
        taken.append(1000 * (time.perf_counter() - started))
        non_empty += bool(answer)
        memory = process.memory_info()
        peak = max(peak, (memory.rss - memory.shared) / 1e6)
    warm = sorted(taken[1 + _OPENING :]) or taken
    p50, p95 = warm[len(warm) // 2], warm[min(int(len(warm) * 0.95), len(warm) - 1)]
    return Latency(len(taken), non_empty, round(taken[0], 2), round(p50, 2), round(p95, 2)), round(peak, 1)
