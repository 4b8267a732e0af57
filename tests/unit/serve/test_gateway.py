"""serve/gateway.py"""

import logging
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse

from serve.auth.policies import public
from serve.config import ServeConfig
from serve.gateway import application
from tests.unit.serve.fakes import client


def _app(body_bytes: int = 1000) -> FastAPI:
    router = APIRouter(prefix="/api/v1/things")

    @router.get("/{name}")
    @public()
    async def thing(name: str) -> PlainTextResponse:
        return PlainTextResponse(name)

    @router.post("")
    @public()
    async def size(request: Request) -> int:
        return len(await request.body())

    @router.get("/own/header")
    @public()
    async def header() -> PlainTextResponse:
        return PlainTextResponse("", headers={"Cache-Control": "public", "Content-Security-Policy": "sandbox"})

    @router.get("/half/way")
    @public()
    async def half_way() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"part"
            raise RuntimeError("halfway")

        return StreamingResponse(parts())

    return application("things", [router], ServeConfig(body_bytes=body_bytes))


async def test_every_answer_is_safe_in_a_browser() -> None:
    async with client(_app()) as http:
        for answer in (await http.get("/api/v1/things/a"), await http.get("/nowhere")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer.headers


async def test_a_route_may_set_a_header_of_its_own() -> None:
    async with client(_app()) as http:
        answer = await http.get("/api/v1/things/own/header")

    assert answer.headers["cache-control"] == "public"
    assert answer.headers["content-security-policy"] == "sandbox"


async def test_no_other_site_is_invited() -> None:
    async with client(_app()) as http:
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = await http.options("/api/v1/things", headers=preflight)

    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_clients_request_id_is_kept() -> None:
    async with client(_app()) as http:
        answer = await http.get("/api/v1/things/a", headers={"X-Request-ID": "Trace-7.a_b"})

    assert answer.headers["x-request-id"] == "Trace-7.a_b"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", "<script>", "é"])
async def test_a_request_id_that_could_harm_a_log_is_replaced(given: str) -> None:
    async with client(_app()) as http:
        answer = await http.get("/api/v1/things/a", headers=[(b"X-Request-ID", given.encode())])

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_paths_are_whole_whatever_prefix_the_proxy_matched() -> None:
    app, seen = _app(), []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        seen.append(message)

    path = "/api/v1/things/a"
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "/api/v1/things", "query_string": b""}
    await app({**scope, "headers": [], "http_version": "1.1"}, receive, send)  # type: ignore[arg-type]

    assert seen[0]["status"] == 200


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
async def test_a_body_has_a_limit(size: int, status: int) -> None:
    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    async with client(_app()) as http:
        declared = await http.post("/api/v1/things", content=b"x" * size)
        undeclared = await http.post("/api/v1/things", content=streamed())

    assert declared.status_code == undeclared.status_code == status


async def test_a_length_that_is_no_number_is_refused() -> None:
    async with client(_app()) as http:
        answer = await http.post("/api/v1/things", content=b"x", headers={"Content-Length": "-1"})

    assert answer.status_code == 400


async def test_the_access_log_contains_the_request_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with client(_app()) as http:
            await http.get(
                "/api/v1/things/a%0Ab",
                params={"q": "private words"},
                headers={"Authorization": "Bearer hidden", "X-Request-ID": "r1"},
            )

    [line] = [record.getMessage() for record in caplog.records if record.name == "serve.access"]
    assert line.startswith("GET /api/v1/things/a%0Ab 200 ")
    assert "user=- request=r1 trace=" in line
    assert "private" not in line
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("serve"))
    assert "private" not in ours
    assert "hidden" not in ours


async def test_an_answer_that_fails_halfway_is_a_problem_and_no_half_answer() -> None:
    async with client(_app()) as http:
        answer = await http.get("/api/v1/things/half/way")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
