"""`gbm bench serve`: throughput of the gateway, the cost of a killed replica, and autoscaling.

A local cluster serves a large mailbox with one replica per application and without rate limits; `wrk` sends the load.
Then `emails` may scale to three replicas: load adds replicas, one is killed, and without load they stop.
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

from actors.rate_limits import Rate, RatesConfig
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
#: Requests the paths in turn.
_SCRIPT = """
local paths = {{{paths}}}
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", paths[number % #paths + 1])
end
"""
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)")
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class WrkMissing(BackupError):
    """The load generator wrk is not installed. Install it."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "`gbm bench serve` needs wrk on PATH: install it (Debian: apt-get install wrk)."


@dataclass(frozen=True, slots=True)
class Load:
    """Result of one kind of request. failed: unsuccessful responses and broken connections."""

    what: str
    clients: int
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True, slots=True)
class ServeResult:
    """Results of one run.

    killed_failed: requests that failed when one of three replicas was killed; killed_held: requests that it may have
    held. replicas: of `emails` before, under and after load. upscaled_s, downscaled_s: seconds of scaling; healed_s:
    seconds from the kill until the replica was replaced, under the same load.
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
        """The JSON document of `--json`."""
        return asdict(self)


def bench_serve(
    settings: Settings, mail: tuple[Path, ...], messages: int, seconds: int, report: Callable[[str], None]
) -> ServeResult:
    """Fill a mailbox, serve it, measure requests, scaling and a killed replica.

    Args:
        seconds: of load per kind of request.
        report: called with the current step.

    Raises:
        BackupError.
    """
    if shutil.which("wrk") is None:
        raise WrkMissing
    with private_home(settings) as settings:
        report("writing the mailbox")
        secret = _fill(settings, mail, messages)
        ray = settings.ray.model_copy(update={"dashboard_port": _free_port()})
        several = ScaleConfig(
            max_replicas=_MOST_REPLICAS, target_requests=4.0, upscale_s=1.0, downscale_s=3.0, health_check_s=1.0
        )
        one = ScaleConfig(max_replicas=1)
        rates = RatesConfig(principal=_FREE, address=_FREE, login=_FREE, total=_FREE)
        edge = EdgeConfig(requests_each=10**9)
        apart = {"port": _free_port(), "rates": rates, "scale": one, "edge": edge, "together": False}
        serve = settings.serve.model_copy(update=apart)
        with local_cluster(settings.model_copy(update={"ray": ray, "serve": serve}), report) as cluster:
            from serve import deployment

            generator = _LoadGenerator(cluster.api, secret, seconds, report)
            loads = generator.loads()
            report("scaling")
            scaled = serve.model_copy(update={"applications": {"emails": several}})
            proxy = cluster.proxy
            front = deployment.Proxy(proxy.proof, str(proxy.certificate), str(proxy.key))
            deployment.deploy(cluster.stores.config, scaled, proxy=front)
            before = deployment.replicas("emails")
            scaling = generator.scaled(cluster.stores.home.root, lambda: deployment.replicas("emails"))
            report("waiting for the replicas to end")
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
    """Write the mailbox and return an API key of its owner."""
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
    """Replicas under load. failed, held: requests when a replica was killed; healed_s: until its replacement ran."""

    replicas: int
    upscaled_s: float
    failed: int
    held: int
    healed_s: float


class _LoadGenerator:
    """Sends load to the gateway with wrk."""

    def __init__(self, api: str, secret: str, seconds: int, report: Callable[[str], None]) -> None:
        self._api, self._seconds, self._report = api, seconds, report
        answer = httpx.post(f"{api}/api/v1/auth/token", json={"api_key": secret}).raise_for_status()
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def loads(self) -> list[Load]:
        """Measure every kind of request."""
        page = httpx.get(f"{self._api}/api/v1/emails?limit=50", headers=self._headers).raise_for_status()
        email = f"/api/v1/emails/{page.json()['items'][0]['id']}"
        known = {"If-None-Match": page.headers["etag"]}
        kinds: list[tuple[str, str, int, Mapping[str, str]]] = [
            ("health", "/health", 1, {}),
            ("health", "/health", 16, {}),
            ("list of 50, the same", "/api/v1/emails?limit=50", 16, {}),
            ("list of 50, known (304)", "/api/v1/emails?limit=50", 16, known),
            ("one email", email, 1, {}),
            ("one email", email, 16, {}),
            ("its raw bytes", f"{email}/raw", 16, {}),
            ("overview", "/api/v1/analytics/overview", 16, {}),
        ]
        results = [self._load(*kind) for kind in kinds]
        pages, emails = self._different()
        results.insert(3, self._load("list of 50, different ones", "/", 16, {}, _script(pages)))
        results.insert(7, self._load("one email, different ones", "/", 16, {}, _script(emails)))
        return results

    def scaled(self, home: Path, running: Callable[[], int]) -> "Scaling":
        """Apply load until all replicas run, kill one, and continue until it is replaced."""
        with _wrk(self._arguments("/api/v1/emails?limit=50", _CLIENTS, 4 * _MOST_S)) as load:
            under, upscaled_s = _until(running, lambda number: number == _MOST_REPLICAS)
            _kill_a_replica(home, "emails")
            _, noticed_s = _until(running, lambda number: number < _MOST_REPLICAS)
            healed, healed_s = _until(running, lambda number: number == _MOST_REPLICAS)
            load.send_signal(signal.SIGINT)  # wrk prints its counts on SIGINT
            text = load.communicate()[0]
        # wrk has one request in flight per connection, and the killed replica may hold all of them.
        return Scaling(
            under, upscaled_s, _failures(text), _CLIENTS, noticed_s + healed_s if healed == _MOST_REPLICAS else math.inf
        )

    def _different(self) -> tuple[list[str], list[str]]:
        """Paths of pages, and of the messages on them."""
        pages: list[str] = []
        emails: list[str] = []
        cursor: str | None = None
        while len(pages) < _PAGES:
            params = {"limit": "50", **({"cursor": cursor} if cursor else {})}
            answer = httpx.get(f"{self._api}/api/v1/emails", params=params, headers=self._headers).raise_for_status()
            emails += [f"/api/v1/emails/{item['id']}" for item in answer.json()["items"]]
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                break
            pages.append(f"/api/v1/emails?limit=50&cursor={cursor}")
        return pages, emails

    def _load(self, what: str, path: str, clients: int, headers: Mapping[str, str], script: str | None = None) -> Load:
        if script is None:  # warm up
            httpx.get(self._api + path, headers=self._headers, timeout=_MOST_S).raise_for_status()
        self._report(f"{what}, {clients} client{'' if clients == 1 else 's'}")
        with tempfile.TemporaryDirectory(prefix="gbm-wrk-") as folder:
            file = Path(folder) / "requests.lua"
            file.write_text(script or "")
            arguments = self._arguments(path, clients, float(self._seconds), headers, file if script else None)
            with _wrk(arguments) as load:
                text = load.communicate()[0]
        latency = {match[1]: float(match[2]) * _UNITS_MS[match[3]] for match in _LATENCY.finditer(text)}
        unknown = float("inf")  # no response within the time
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
        sent = [f"--header={name}: {value}" for name, value in {**self._headers, **(headers or {})}.items()]
        script = [f"--script={file}"] if file else []
        timing = ["-t1", f"-c{clients}", f"-d{int(seconds)}s", "--latency", "--timeout", "20s"]
        return ["wrk", *timing, *sent, *script, self._api + path]


def _script(paths: list[str]) -> str:
    return _SCRIPT.format(paths=", ".join(f'"{path}"' for path in paths))


def _wrk(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def _failures(text: str) -> int:
    return sum(int(number) for match in _FAILED.finditer(text) for number in match.groups() if number)


def _until(ask: Callable[[], int], wanted: Callable[[int], bool]) -> tuple[int, float]:
    """Poll until the value is wanted or time is over. Return the last value and the seconds."""
    began = time.monotonic()
    while not wanted(result := ask()) and time.monotonic() - began < _MOST_S:
        time.sleep(_POLL_S)
    return result, time.monotonic() - began


def _kill_a_replica(home: Path, name: str) -> None:
    """Send SIGKILL to the first replica process of an application of this cluster."""
    replicas = [process for process in marked(home) if f"ServeReplica:{name}:" in " ".join(process.cmdline())]
    if replicas:
        replicas[0].kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
