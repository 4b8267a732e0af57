"""serve/http/limits.py and paced_response.py: bodies that arrive slowly, answers that are taken slowly."""

import asyncio
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Message

from serve.auth.policies import public
from serve.config import EdgeConfig, ScaleConfig, ServeConfig
from serve.gateway import application
from serve.http import paced_response
from serve.http.paced_response import SlowReader

SIZE = 8 << 20


class Big(bytes):
    """Bytes that are counted."""

    made = gone = 0

    def __del__(self) -> None:
        Big.gone += 1


class Things:
    """An application; `calls`: of /sent."""

    def __init__(self, **config: Any) -> None:
        self.calls = 0
        router = APIRouter()

        @router.get("/large")
        @public()
        async def large() -> Response:
            Big.made += 1
            return Response(Big(bytes(SIZE)), media_type="application/octet-stream")

        class Body(BaseModel):
            text: str

        @router.post("/sent")
        @public(login=True)
        async def sent(body: Body) -> str:
            self.calls += 1
            return body.text

        self.let = asyncio.Event()

        @router.get("/waits")
        @public()
        async def waits() -> str:
            await self.let.wait()
            return "let"

        @router.get("/small")
        @public()
        async def small() -> str:
            return "small"

        self.app: FastAPI = application("things", [router], ServeConfig(**config))


class Client:
    """One request, by hand: its pieces come when `pieces` gives them, its answer goes when `ready` is set."""

    def __init__(
        self, app: FastAPI, method: str, path: str, size: int | None = None, address: str = "203.0.113.1"
    ) -> None:
        headers = (
            [] if size is None else [(b"content-length", str(size).encode()), (b"content-type", b"application/json")]
        )
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": headers,
            "client": (address, 1),
            "server": ("x", 80),
        }
        self.pieces: asyncio.Queue[Message] = asyncio.Queue()
        self.ready = asyncio.Event()
        self.told: list[Message] = []
        self.running = asyncio.create_task(app(self.scope, self.pieces.get, self._send))

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.ready.wait()
        self.told.append({**message, "body": len(message.get("body", b""))})

    @property
    def status(self) -> int:
        return int(self.told[0]["status"])


async def test_a_slow_reader_holds_no_answer_in_memory() -> None:
    before = Big.gone
    reader = Client(Things().app, "GET", "/large")
    async with asyncio.timeout(5):
        while Big.gone == before:
            await asyncio.sleep(0.001)
    assert not reader.running.done()
    assert reader.told[1:] == []
    reader.ready.set()
    await reader.running
    assert sum(message["body"] for message in reader.told[1:]) == SIZE
    assert max(message["body"] for message in reader.told[1:]) <= 256 << 10
    assert not reader.told[-1]["more_body"]


async def test_a_reader_who_is_too_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced_response.PacedResponseMiddleware.__init__, "__defaults__", (0.05,))
    reader = Client(Things(edge=EdgeConfig(response_bytes_per_s=1 << 30)).app, "GET", "/large")
    with pytest.raises(SlowReader):
        await reader.running


@pytest.mark.parametrize("path", ["/small", "/large"])
async def test_who_takes_an_answer_slowly_holds_no_place(path: str) -> None:
    things = Things(scale=ScaleConfig(max_requests=4))
    slow = []
    async with asyncio.timeout(5):
        for _ in range(8):
            slow.append(Client(things.app, "GET", path))
            while not slow[-1].told:
                await asyncio.sleep(0.001)
    quick = Client(things.app, "GET", "/small")
    quick.ready.set()
    await quick.running
    assert (quick.status, {reader.status for reader in slow}) == (200, {200})
    for reader in slow:
        reader.ready.set()
        await reader.running


async def test_slow_readers_of_one_address_fill_a_quarter_of_the_room() -> None:
    things = Things(edge=EdgeConfig(spool_bytes=9 * SIZE))
    held = [Client(things.app, "GET", "/large") for _ in range(2)]
    while not all(reader.told for reader in held):
        await asyncio.sleep(0.001)
    third = Client(things.app, "GET", "/large")
    third.ready.set()
    await third.running
    assert third.status == 429
    other = Client(things.app, "GET", "/large", address="203.0.113.2")
    other.ready.set()
    await other.running
    assert other.status == 200
    for reader in held:
        reader.ready.set()
        await reader.running


async def test_slow_bodies_do_not_block_sign_in() -> None:
    things = Things(scale=ScaleConfig(max_requests=8))
    slow = [Client(things.app, "POST", "/sent", 100, f"203.0.113.{number}") for number in range(6)]
    for each in slow:
        each.pieces.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    await asyncio.sleep(0.01)
    for number in range(12):
        quick = Client(things.app, "POST", "/sent", 12, f"198.51.100.{number}")
        quick.pieces.put_nowait({"type": "http.request", "body": b'{"text":"x"}', "more_body": False})
        quick.ready.set()
        await quick.running
        assert quick.status == 200
    assert things.calls == 12
    for each in slow:
        each.running.cancel()
    await asyncio.gather(*(each.running for each in slow), return_exceptions=True)


async def test_requests_that_hold_every_slot_leave_those_of_sign_in() -> None:
    things = Things(scale=ScaleConfig(max_requests=8))
    held = [Client(things.app, "GET", "/waits", address=f"203.0.113.{number // 2}") for number in range(16)]
    for each in held:
        each.ready.set()
    await asyncio.sleep(0)
    login = Client(things.app, "POST", "/sent", 12)
    login.pieces.put_nowait({"type": "http.request", "body": b'{"text":"x"}', "more_body": False})
    login.ready.set()
    async with asyncio.timeout(1):
        await login.running
    assert login.status == 200
    assert not all(each.running.done() for each in held)
    things.let.set()
    await asyncio.gather(*(each.running for each in held))


async def test_a_body_that_does_not_arrive_in_time_gets_408() -> None:
    things = Things(edge=EdgeConfig(request_s=1))
    slow = Client(things.app, "POST", "/sent", 100)
    slow.pieces.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    slow.ready.set()
    async with asyncio.timeout(5):
        await slow.running
    assert (slow.status, things.calls) == (408, 0)


async def test_a_body_longer_than_its_content_length_is_refused() -> None:
    things = Things(body_bytes=100)
    liar = Client(things.app, "POST", "/sent", 50)
    liar.ready.set()
    for _ in range(3):
        liar.pieces.put_nowait({"type": "http.request", "body": b"x" * 50, "more_body": True})
    await liar.running
    assert liar.status == 413


async def test_one_address_reads_only_so_many_bodies_at_a_time() -> None:
    things = Things(scale=ScaleConfig(max_requests=16))
    slow = [Client(things.app, "POST", "/sent", 100) for _ in range(4)]
    await asyncio.sleep(0.01)
    fifth = Client(things.app, "POST", "/sent", 100)
    fifth.ready.set()
    await fifth.running
    assert fifth.status == 429
    for each in slow:
        each.running.cancel()
    await asyncio.gather(*(each.running for each in slow), return_exceptions=True)


@pytest.mark.parametrize("path", ["/small/", "/sent/"])
async def test_no_answer_redirects_to_the_host_of_a_request(path: str) -> None:
    request = Client(Things().app, "GET", path)
    request.ready.set()
    await request.running
    assert request.status == 404
