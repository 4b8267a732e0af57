"""`gbm bench crowding`: what one owner's mailbox is like while others take what they can get.

A local cluster with the default limits serves two mailboxes. One owner's lists and statistics are measured: alone; then
beside heavy queries of the other owner and the unfinished requests of a stranger, at once.
"""

import http.client
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from cluster.bench.archive import Work, pool_of
from cluster.bench.crowd import heavy_queries, unfinished_requests
from cluster.bench.home import private_home
from cluster.bench.resampling import Corpus
from cluster.local import local_cluster
from cluster.settings import Settings
from cluster.stores import open_stores
from serve.auth.api_keys import new_key

_GENERATED = 5000
_QUIET, _CROWD = "quiet@example.com", "crowd@example.com"
#: Addresses of this machine: of the stranger, of the owner who crowds.
_STRANGER, _CROWDING = "127.0.0.2", "127.0.0.3"
#: Seconds between two requests of the owner who is measured; each tenth asks for statistics.
_EVERY_S, _STATISTICS_EACH = 0.05, 10
_PAGES = 40
_WARM_UP = 20
_TIMEOUT_S = 60.0
_LIST, _SENDERS = "list", "senders"


@dataclass(frozen=True, slots=True)
class Latency:
    """Answers to one kind of request. failed: no 200."""

    what: str
    asked: int
    failed: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class CrowdingResult:
    """Results of one run. queries, unfinished: what those who crowd were told, by outcome."""

    messages: int
    idle: tuple[Latency, ...]
    crowded: tuple[Latency, ...]
    queries: Mapping[str, int]
    unfinished: Mapping[str, int]

    @property
    def ratio(self) -> float:
        """p95 of the list beside the crowd, as a multiple of that alone."""
        return round(self.crowded[0].p95_ms / self.idle[0].p95_ms, 2)

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return {**asdict(self), "ratio": self.ratio}


def bench_crowding(
    settings: Settings,
    mail: tuple[Path, ...],
    messages: int,
    seconds: float,
    queries: int,
    unfinished: int,
    report: Callable[[str], None],
) -> CrowdingResult:
    """Fill two mailboxes, serve them, measure one of them alone and beside the crowd.

    Args:
        messages: of each mailbox.
        seconds: of each of the two measurements.
        queries: heavy queries of the other owner at a time.
        unfinished: requests of the stranger at a time.
        report: called with the current step.

    Raises:
        BackupError.
    """
    with private_home(settings) as settings:
        report("writing the mailboxes")
        quiet, crowd = _fill(settings, mail, messages)
        ray = settings.ray.model_copy(update={"dashboard_port": _free_port()})
        serve = settings.serve.model_copy(update={"port": _free_port()})
        with local_cluster(settings.model_copy(update={"ray": ray, "serve": serve}), report) as cluster:
            owner = _Owner(cluster.api, serve.port, quiet)
            report("alone")
            idle = owner.measure(seconds)
            token = _token(cluster.api, crowd)
            with (
                unfinished_requests(serve.port, unfinished, _STRANGER) as begun,
                heavy_queries(serve.port, queries, _CROWDING, token) as asked,
            ):
                report("beside the crowd")
                crowded = owner.measure(seconds)
    return CrowdingResult(messages, idle, crowded, dict(asked), dict(begun))


def _fill(settings: Settings, mail: tuple[Path, ...], messages: int) -> tuple[str, str]:
    """Write the mailboxes and return an API key of each owner."""
    corpus = Corpus.read(mail, _GENERATED)
    with open_stores(settings) as stores, pool_of(2, corpus) as pool:
        users = [stores.control.add_user(email) for email in (_QUIET, _CROWD)]
        work = Work(stores, users, {user.user_id: messages for user in users}, pool, 4)
        work.write(lambda *_: None)
        work.compact(lambda *_: None)
        work.release()
        secrets = []
        for user in users:
            key = new_key()
            stores.control.save_key(key.key_id, user.user_id, "owner", key.secret_hash, None)
            secrets.append(key.text.get_secret_value())
    return secrets[0], secrets[1]


def _token(api: str, secret: str) -> str:
    answer = httpx.post(f"{api}/api/v1/auth/token", json={"api_key": secret}, timeout=_TIMEOUT_S)
    return str(answer.raise_for_status().json()["access_token"])


class _Owner:
    """Reads a mailbox as a person with a few pages open does."""

    def __init__(self, api: str, port: int, secret: str) -> None:
        self._port, self._headers = port, {"Authorization": f"Bearer {_token(api, secret)}"}
        self._lists, self._asked, cursor = ["/api/v1/emails?limit=50"], 0, None
        while len(self._lists) < _PAGES:
            page = httpx.get(api + self._lists[-1], headers=self._headers, timeout=_TIMEOUT_S).raise_for_status()
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break
            self._lists.append(f"/api/v1/emails?limit=50&cursor={cursor}")

    def measure(self, seconds: float) -> tuple[Latency, ...]:
        """How long lists and statistics take, one request at a time; no answer comes from the cache."""
        for _ in range(_WARM_UP):
            self._ask()
        times: dict[str, list[float]] = {_LIST: [], _SENDERS: []}
        failed = dict.fromkeys(times, 0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            what, good = self._ask()
            took = time.monotonic() - began
            times[what].append(took)
            failed[what] += not good
            time.sleep(max(_EVERY_S - took, 0.0))
        return tuple(
            Latency(what, len(each), failed[what], percentile_ms(each, 0.5), percentile_ms(each, 0.95))
            for what, each in times.items()
        )

    def _ask(self) -> tuple[str, bool]:
        self._asked = number = self._asked + 1
        if number % _STATISTICS_EACH == 0:
            return _SENDERS, self._get(f"/api/v1/analytics/senders?limit={number // _STATISTICS_EACH % 100 + 1}")
        again, page = divmod(number, len(self._lists))
        return _LIST, self._get(self._lists[page].replace("limit=50", f"limit={50 - again % 40}"))

    def _get(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
        except OSError:
            return False
        finally:
            connection.close()
        return answer.status == 200


def percentile_ms(seconds: Sequence[float], part: float) -> float:
    """The time that so large a part of all does not exceed, in milliseconds; 0 without any."""
    ordered = sorted(seconds)
    return round(1000 * ordered[min(int(part * len(ordered)), len(ordered) - 1)], 2) if ordered else 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
