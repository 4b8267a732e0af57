"""`gbm bench serve`: what the gateway answers per second, what a killed replica costs, how it scales.

A large mailbox is written into an archive of its own; a whole cluster serves it with one replica of each application,
callers' rates unlimited; `wrk` asks. Then `emails` may have three replicas: under load it gets them, one is killed, and
without load they end.
"""

import math
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from actors.rates import Rate, RatesConfig
from cluster.bench.archive import Work, pool_of
from cluster.bench.home import private_home
from cluster.bench.resampling import Corpus
from cluster.local import local_cluster
from cluster.orphan_processes import marked
from cluster.settings import Settings
from cluster.stores import open_stores
from serve.auth.api_keys import new_key
from serve.config import EdgeConfig, ScaleConfig
from storage.errors import BackupError

_EMAIL = "bench@example.com"
_GENERATED = 5000
_MOST_S = 60.0
_CLIENTS, _MOST_REPLICAS, _PAGES = 16, 3, 40
_POLL_S = 0.25
_FREE = Rate(per_s=1e7, burst=1e8)
#: Pages one after the other, so that no answer is a kept one.
_SCRIPT = """
local cursors = {{{cursors}}}
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", "/api/v1/emails?limit=50&cursor=" .. cursors[number % #cursors + 1])
end
"""
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)")
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class WrkMissing(BackupError):
    """The load comes from wrk, which is not installed. Install it."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "`gbm bench serve` needs wrk on PATH: install it (Debian: apt-get install wrk)."


@dataclass(frozen=True, slots=True)
class Load:
    """What one kind of request came to. failed: answers that were no success, and broken connections."""

    what: str
    clients: int
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True, slots=True)
class ServeResult:
    """What one run measured.

    killed_failed: requests that failed while one of three replicas was killed; killed_held: that it may have held.
    replicas: of `emails`, before, under and after load. upscaled_s, downscaled_s: how long that took; healed_s: from
    the kill until there were as many as before, under the same load.
    """

    messages: int
    loads: tuple[Load, ...]
    killed_held: int
    killed_failed: int
    replicas: tuple[int, int, int]
    upscaled_s: float
    healed_s: float
    downscaled_s: float

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def bench_serve(
    settings: Settings, mail: tuple[Path, ...], messages: int, seconds: int, told: Callable[[str], None]
) -> ServeResult:
    """Fill, serve, ask, kill, scale.

    Args:
        seconds: that each kind of request is asked.
        told: hears what is done.

    Raises:
        BackupError.
    """
    if shutil.which("wrk") is None:
        raise WrkMissing
    with private_home(settings) as settings:
        told("writing the mailbox")
        secret = _fill(settings, mail, messages)
        ray = settings.ray.model_copy(update={"dashboard_port": _free_port()})
        several = ScaleConfig(
            max_replicas=_MOST_REPLICAS, target_requests=4.0, upscale_s=1.0, downscale_s=3.0, health_check_s=1.0
        )
        one = ScaleConfig(max_replicas=1)
        rates = RatesConfig(principal=_FREE, address=_FREE, login=_FREE, total=_FREE)
        edge = EdgeConfig(requests_each=10**9)
        serve = settings.serve.model_copy(update={"port": _free_port(), "rates": rates, "scale": one, "edge": edge})
        with local_cluster(settings.model_copy(update={"ray": ray, "serve": serve}), told) as cluster:
            from serve import deployment

            asked = _Asked(cluster.api, secret, seconds, told)
            loads = asked.loads()
            told("scaling")
            scaled = serve.model_copy(update={"applications": {"emails": several}})
            proxy = cluster.proxy
            front = deployment.Proxy(proxy.proof, str(proxy.certificate), str(proxy.key))
            deployment.deploy(cluster.stores.config, scaled, proxy=front)
            before = deployment.replicas("emails")
            scaling = asked.scaled(cluster.stores.home.root, lambda: deployment.replicas("emails"))
            told("waiting for the replicas to end")
            after, downscaled_s = _until(lambda: deployment.replicas("emails"), lambda number: number == 1)
    return ServeResult(
        messages=messages,
        loads=tuple(loads),
        killed_held=scaling.held,
        killed_failed=scaling.failed,
        replicas=(before, scaling.replicas, after),
        upscaled_s=round(scaling.upscaled_s, 1),
        healed_s=round(scaling.healed_s, 1),
        downscaled_s=round(downscaled_s, 1),
    )


def _fill(settings: Settings, mail: tuple[Path, ...], messages: int) -> str:
    """Write the mailbox; the text of an API key of its owner."""
    corpus = Corpus.read(mail, _GENERATED)
    with open_stores(settings) as stores, pool_of(2, corpus) as pool:
        user = stores.control.add_user(_EMAIL)
        work = Work(stores, [user], {user.user_id: messages}, pool, 4)
        work.write(lambda *_: None)
        work.compact(lambda *_: None)
        work.release()
        key = new_key()
        stores.control.save_key(key.key_id, user.user_id, "owner", key.secret_hash, None)
        return key.text.get_secret_value()


@dataclass(frozen=True, slots=True)
class Scaling:
    """What became of replicas under load. failed, held: requests when one was killed; healed_s: until another ran."""

    replicas: int
    upscaled_s: float
    failed: int
    held: int
    healed_s: float


class _Asked:
    """The gateway, asked by wrk."""

    def __init__(self, api: str, secret: str, seconds: int, told: Callable[[str], None]) -> None:
        self._api, self._seconds, self._told = api, seconds, told
        answer = httpx.post(f"{api}/api/v1/auth/token", json={"api_key": secret}).raise_for_status()
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def loads(self) -> list[Load]:
        """Every kind of request in turn."""
        page = httpx.get(f"{self._api}/api/v1/emails?limit=50", headers=self._headers).raise_for_status()
        email = f"/api/v1/emails/{page.json()['items'][0]['id']}"
        known = {"If-None-Match": page.headers["etag"]}
        kinds: list[tuple[str, str, int, Mapping[str, str]]] = [
            ("health", "/health", 1, {}),
            ("health", "/health", 16, {}),
            ("list of 50, the same", "/api/v1/emails?limit=50", 16, {}),
            ("list of 50, known (304)", "/api/v1/emails?limit=50", 16, known),
            ("one email", email, 16, {}),
            ("its raw bytes", f"{email}/raw", 16, {}),
            ("overview", "/api/v1/analytics/overview", 16, {}),
        ]
        found = [self._load(*kind) for kind in kinds]
        found.insert(3, self._load("list of 50, different ones", "/", 16, {}, self._script()))
        return found

    def scaled(self, home: Path, running: Callable[[], int]) -> "Scaling":
        """Load until there are all replicas, kill one of them, and go on until there are all again."""
        with _wrk(self._arguments("/api/v1/emails?limit=50", _CLIENTS, 4 * _MOST_S)) as load:
            under, upscaled_s = _until(running, lambda number: number == _MOST_REPLICAS)
            _kill_a_replica(home, "emails")
            _, noticed_s = _until(running, lambda number: number < _MOST_REPLICAS)
            healed, healed_s = _until(running, lambda number: number == _MOST_REPLICAS)
            load.send_signal(signal.SIGINT)  # it tells what it has counted so far
            text = load.communicate()[0]
        # wrk has one request at a time in each connection, and all of them may be with the one that is killed.
        return Scaling(
            under, upscaled_s, _failures(text), _CLIENTS, noticed_s + healed_s if healed == _MOST_REPLICAS else math.inf
        )

    def _script(self) -> str:
        cursors: list[str] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            params = {"limit": "50", **({"cursor": cursor} if cursor else {})}
            answer = httpx.get(f"{self._api}/api/v1/emails", params=params, headers=self._headers).raise_for_status()
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                break
            cursors.append(f'"{cursor}"')
        return _SCRIPT.format(cursors=", ".join(cursors))

    def _load(self, what: str, path: str, clients: int, headers: Mapping[str, str], script: str | None = None) -> Load:
        if script is None:  # what is made once is not measured
            httpx.get(self._api + path, headers=self._headers, timeout=_MOST_S).raise_for_status()
        self._told(f"{what}, {clients} client{'' if clients == 1 else 's'}")
        with tempfile.TemporaryDirectory(prefix="gbm-wrk-") as folder:
            file = Path(folder) / "requests.lua"
            file.write_text(script or "")
            arguments = self._arguments(path, clients, float(self._seconds), headers, file if script else None)
            with _wrk(arguments) as load:
                text = load.communicate()[0]
        latency = {found[1]: float(found[2]) * _UNITS_MS[found[3]] for found in _LATENCY.finditer(text)}
        unknown = float("inf")  # nothing was answered within the time
        per_s = float(text.split("Requests/sec:")[1].split()[0])
        return Load(
            what,
            clients,
            round(per_s, 1),
            round(latency.get("50", unknown), 2),
            round(latency.get("99", unknown), 2),
            _failures(text),
        )

    def _arguments(
        self,
        path: str,
        clients: int,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> list[str]:
        told = [f"--header={name}: {value}" for name, value in {**self._headers, **(headers or {})}.items()]
        script = [f"--script={file}"] if file else []
        timing = ["-t1", f"-c{clients}", f"-d{int(seconds)}s", "--latency", "--timeout", "20s"]
        return ["wrk", *timing, *told, *script, self._api + path]


def _wrk(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def _failures(text: str) -> int:
    return sum(int(number) for found in _FAILED.finditer(text) for number in found.groups() if number)


def _until(ask: Callable[[], int], wanted: Callable[[int], bool]) -> tuple[int, float]:
    """What it came to, and in how many seconds: what was wanted, or what there is when the time is over."""
    began = time.monotonic()
    while not wanted(found := ask()) and time.monotonic() - began < _MOST_S:
        time.sleep(_POLL_S)
    return found, time.monotonic() - began


def _kill_a_replica(home: Path, name: str) -> None:
    """SIGKILL the first process of ours that is a replica of an application."""
    replicas = [process for process in marked(home) if f"ServeReplica:{name}:" in " ".join(process.cmdline())]
    if replicas:
        replicas[0].kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
