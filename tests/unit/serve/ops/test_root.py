"""serve/ops/root.py and serve/openapi.py"""

import re
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from actors.forecast import Forecast
from serve.auth.revocations import Grace
from serve.auth.routes import auth
from serve.config import ServeConfig
from serve.gateway import application, root_application
from serve.http.executor import BlockingExecutor
from serve.http.response_cache import ResponseCache
from serve.mail import attachments, content, emails
from serve.mail.answers import MailAnswers, MessageAnswers
from serve.ops import root
from serve.ops.metrics import Metrics, State
from serve.ops.readiness import Probe, Probes
from serve.sync import sync
from storage.version import VERSION
from tests.unit.serve.fakes import (
    STREAMS,
    TODAY,
    Clock,
    HereReading,
    MemoryPauses,
    MemoryReaders,
    MemoryTokenStore,
    RecordingOwners,
    access_tokens,
    authentication,
    client,
    desks,
)


@pytest.fixture
def broken() -> set[str]:
    """Names of the dependencies that do not answer."""
    return set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def http(broken: set[str], clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    def probe(name: str) -> Probe:
        async def ask() -> None:
            if name in broken:
                raise OSError("10.0.0.7 refused")

        return ask

    async def find() -> Mapping[str, Probe]:
        return {name: probe(name) for name in ("control_database", "shard_database:0", "shard:0")}

    async def state() -> State:
        return State([], [], Forecast("2026-11-24", 0, 0.0, 0, None))

    tokens, config, threads, readers = access_tokens(), ServeConfig(), BlockingExecutor(2), MemoryReaders()
    single = MessageAnswers(readers, ResponseCache(1 << 20), threads)
    authenticate, messages = authentication(tokens), content.MessageContent(readers, threads, single, HereReading())
    apps = [
        application(name, routers, config, authenticate)
        for name, routers in (
            ("auth", [auth.router(desks(MemoryTokenStore(), tokens), threads)]),
            (
                "emails",
                [
                    emails.router(MailAnswers(readers, ResponseCache(1 << 20), threads), single),
                    content.router(messages),
                    attachments.router(messages),
                ],
            ),
            (
                "sync",
                [sync.router(readers, RecordingOwners(), MemoryPauses(), STREAMS, threads, config, lambda: TODAY)],
            ),
        )
    ]
    metrics = Metrics(state, RecordingOwners(), 1)
    routers = root.routers(Probes(find, 1, clock), metrics, grace=lambda: Grace(312.4, 587.6))
    async with client(root_application(routers, apps, config)) as http:
        yield http


async def test_health_asks_nobody(http: httpx.AsyncClient, broken: set[str]) -> None:
    broken.add("control_database")

    assert (await http.get("/health")).json() == {"status": "ok", "version": VERSION}


async def test_ready_names_every_dependency(http: httpx.AsyncClient) -> None:
    answer = await http.get("/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "dependencies": {"control_database": "ok", "shard_database:0": "ok", "shard:0": "ok"},
        "waiting": {},
        "replicas": {},
        "revocations": None,
    }


async def test_ready_says_how_long_tokens_are_accepted_while_control_is_away(
    http: httpx.AsyncClient, broken: set[str], clock: Clock
) -> None:
    broken.add("shard:0")
    assert (await http.get("/ready")).json()["revocations"] is None

    broken.add("control_database")
    clock.now += 10  # an answer is kept for a second
    assert (await http.get("/ready")).json()["revocations"] == {"age_s": 312, "left_s": 587}


async def test_a_dependency_that_is_silent_is_named_and_no_more(http: httpx.AsyncClient, broken: set[str]) -> None:
    broken.add("shard:0")

    answer = await http.get("/ready")

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["dependencies"]["shard:0"] == "unreachable"
    assert answer.json()["dependencies"]["control_database"] == "ok"
    assert "10.0.0.7" not in answer.text


async def test_the_index_leads_to_addresses_that_exist(http: httpx.AsyncClient) -> None:
    links = (await http.get("/")).json()["links"]

    assert links
    for link in links.values():
        assert (await http.get(link)).status_code == 200


async def test_the_description_has_every_application(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    assert {
        *("/health", "/ready", "/api/v1/auth/token", "/api/v1/auth/verify", "/api/v1/emails"),
        *("/api/v1/emails/{email_id}", "/api/v1/emails/{email_id}/raw"),
        *("/api/v1/sync", "/api/v1/sync/status", "/api/v1/sync/stop"),
    } <= set(document["paths"])
    assert "from" in document["components"]["schemas"]["EmailItem"]["properties"]
    assert "bearer" in document["components"]["securitySchemes"]
    assert not [name for name in document["components"]["schemas"] if "Validation" in name]


async def test_the_description_refers_to_nothing_that_is_missing(http: httpx.AsyncClient) -> None:
    answer = await http.get("/openapi.json")

    schemas = answer.json()["components"]["schemas"]
    wanted = set(re.findall(r'"#/components/schemas/(\w+)"', answer.text))
    assert "Problem" in wanted
    assert wanted <= set(schemas)


async def test_the_page_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")

    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/docs/swagger-ui.js" in sources
    assert all(source.startswith(("/", "data:")) and not source.startswith("//") for source in sources)
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    for source in sources:
        if source.startswith("/docs/"):
            assert (await http.get(source)).status_code == 200


@pytest.mark.parametrize("path", ["/docs/nothing.js", "/docs/..%2Fconfig.py", "/docs/favicon.png"])
async def test_the_page_has_no_other_files(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404
