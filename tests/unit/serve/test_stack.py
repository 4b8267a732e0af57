"""serve/http/tracing.py, limits.py, representation.py, fields.py, addresses.py, and CORS: the rest of the stack."""

import asyncio
import gzip
import threading

import httpx
import orjson
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from serve.auth.policies import public
from serve.config import ScaleConfig, ServeConfig
from serve.gateway import application
from serve.http import field_mask, tracing
from serve.http.client_address import FORWARDED, PEER, PROOF, Addresses
from serve.http.conditional import etag, matches
from serve.http.executor import BlockingExecutor
from tests.unit.serve.fakes import client

ITEMS = [{"id": str(number), "from": {"name": "Ann", "address": "ann@example.com"}} for number in range(40)]
TEN = ["10.0.0.0/8"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _app(config: ServeConfig | None = None, release: threading.Event | None = None) -> FastAPI:
    router = APIRouter(prefix="/api/v1/things")
    threads = BlockingExecutor(2)

    @router.get("")
    @public()
    async def things() -> dict[str, object]:
        return {"items": ITEMS, "next_cursor": None}

    @router.get("/slow")
    @public()
    async def slow() -> str:
        if release is not None:
            await threads.run(release.wait, 30)
        return "done"

    @router.get("/stream")
    @public()
    async def stream() -> StreamingResponse:
        async def parts() -> object:
            yield b"[1,"
            yield b"2]"

        return StreamingResponse(parts(), media_type="application/json")  # type: ignore[arg-type]

    return application("things", [router], config or ServeConfig())


async def _get(path: str = "", config: ServeConfig | None = None, **headers: str) -> httpx.Response:
    async with client(_app(config)) as http:
        return await http.get(
            f"/api/v1/things{path}", headers={name.replace("_", "-"): v for name, v in headers.items()}
        )


async def test_a_trace_continues_and_an_invalid_one_is_replaced() -> None:
    answer = await _get(traceparent=PARENT, tracestate="a=b")
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", PARENT.split("-")[1], "01")
    assert span != PARENT.split("-")[2]
    assert answer.headers["tracestate"] == "a=b"

    problem = await _get("/nothing", traceparent=PARENT)
    assert problem.json()["trace_id"] == trace


@pytest.mark.parametrize(
    "given",
    [None, "", "00-xyz", PARENT.upper(), "ff" + PARENT[2:], PARENT + "-more", f"00-{'0' * 32}-{'1' * 16}-01"],
)
def test_an_invalid_traceparent_is_replaced(given: str | None) -> None:
    span = tracing.begin(given, "a=b")
    assert span.trace_id != PARENT.split("-")[1]
    assert span.state == ""
    assert tracing.begin(span.traceparent, None).trace_id == span.trace_id


def test_a_later_version_of_the_header_is_understood() -> None:
    assert tracing.begin("01" + PARENT[2:] + "-more", None).trace_id == PARENT.split("-")[1]


async def test_a_slow_request_gets_504_while_others_continue() -> None:
    release = threading.Event()
    async with client(_app(ServeConfig(timeout_s=0.05), release)) as http:
        late = await http.get("/api/v1/things/slow")
        assert (await http.get("/api/v1/things")).status_code == 200
    release.set()
    assert (late.status_code, late.json()["code"]) == (504, "took_too_long")


async def test_beyond_so_many_at_a_time_requests_wait_a_moment_and_more_are_refused_at_once() -> None:
    release = threading.Event()
    app = _app(ServeConfig(scale=ScaleConfig(max_requests=2, max_queued_requests=1)), release)
    async with client(app) as http:
        running = [asyncio.create_task(http.get("/api/v1/things/slow")) for _ in range(2)]
        refused = await http.get("/api/v1/things")
        while refused.status_code == 200:  # until both are in
            await asyncio.sleep(0)
            refused = await http.get("/api/v1/things")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited"), "who crowds is told so"
        elsewhere = httpx.ASGITransport(app, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://gateway") as other:
            pair = [asyncio.create_task(other.get("/api/v1/things")) for _ in range(2)]
            done, waiting = await asyncio.wait(pair, return_when=asyncio.FIRST_COMPLETED)
            [refused] = [task.result() for task in done]
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["retry-after"] == "1"
            release.set()
            assert [(await task).status_code for task in waiting] == [200]
        assert [answer.status_code for answer in await asyncio.gather(*running)] == [200, 200]
        assert (await http.get("/api/v1/things")).status_code == 200


async def test_pages_of_allowed_origins_may_ask_and_no_others() -> None:
    config = ServeConfig(cors_origins=("https://app.example.com",))
    async with client(_app(config)) as http:
        ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        allowed = await http.options("/api/v1/things", headers={"Origin": "https://app.example.com", **ask})
        other = await http.options("/api/v1/things", headers={"Origin": "https://evil.example", **ask})
        read = await http.get("/api/v1/things", headers={"Origin": "https://app.example.com"})
        stolen = await http.get("/api/v1/things", headers={"Origin": "https://evil.example"})

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "access-control-allow-credentials" not in allowed.headers
    assert other.status_code == 400
    assert read.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "Origin" in read.headers["vary"]
    assert "access-control-allow-origin" not in stolen.headers


@pytest.mark.parametrize("origin", ["*", "https://*", "app.example.com", "https://app.example.com/path"])
def test_an_allow_list_has_whole_origins(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        ServeConfig(cors_origins=(origin,))


async def test_an_answer_is_compressed_for_who_takes_that() -> None:
    ask = {"Accept-Encoding": "gzip"}
    async with client(_app()) as http, http.stream("GET", "/api/v1/things", headers=ask) as answer:
        body = b"".join([part async for part in answer.aiter_raw()])
    plain = await _get(accept_encoding="identity")

    assert answer.headers["content-encoding"] == "gzip"
    assert len(body) == int(answer.headers["content-length"]) < len(plain.content)
    assert gzip.decompress(body) == plain.content
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] == answer.headers["etag"]
    assert "Accept-Encoding" in plain.headers["vary"]


async def test_who_has_the_answer_gets_it_not_again() -> None:
    first = await _get()
    same = await _get(if_none_match=f'"x", {first.headers["etag"]}')
    other = await _get("?fields=next_cursor", if_none_match=first.headers["etag"])

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert same.headers["cache-control"] == "private, no-cache"
    assert (other.status_code, other.json()) == (200, {"next_cursor": None})


def test_tags_are_compared_weakly() -> None:
    tag = etag(b"{}")
    assert matches(tag, tag.removeprefix("W/"))
    assert matches(tag, "*")
    assert not matches(tag, None)
    assert not matches(tag, etag(b"[]"))


async def test_a_stream_is_left_alone() -> None:
    answer = await _get("/stream")
    assert answer.json() == [1, 2]
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("items(id)", {"id": "0"}),
        ("items(id,from/name)", {"id": "0", "from": {"name": "Ann"}}),
        ("items/from(address), next_cursor", {"from": {"address": "ann@example.com"}}),
        ("items", ITEMS[0]),
    ],
)
async def test_only_the_requested_fields_are_returned(asked: str, first: dict[str, object]) -> None:
    answer = await _get(f"?fields={asked}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"][0] == first
    assert ("next_cursor" in answer.json()) == ("next_cursor" in asked)


@pytest.mark.parametrize(
    "asked",
    ["", "none", "items(none)", "items(", "items)", "items(id", ",", "id,,id", "items/", "a b", "x" * 1001, "é"],
)
async def test_a_missing_field_is_named_in_the_error(asked: str) -> None:
    answer = await _get(f"?fields={asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")


def test_fields_go_only_so_deep() -> None:
    for deep in ("a(" * 50 + "b" + ")" * 50, "a/" * 50 + "b"):
        with pytest.raises(field_mask.InvalidFields, match="deep"):
            field_mask.parse(deep)


_DOCUMENT = st.recursive(
    st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1) | st.lists(inner),
    max_leaves=12,
)


@given(_DOCUMENT, st.text("abc,()/ ", max_size=20))
def test_narrowing_returns_only_members_of_the_document(document: object, text: str) -> None:
    try:
        narrowed = field_mask.narrow(document, field_mask.parse(text) or {})
    except field_mask.InvalidFields:
        return
    assert len(orjson.dumps(narrowed)) <= len(orjson.dumps(document))


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "client"),
    [
        ("127.0.0.1", {PEER: "203.0.113.9", "x-forwarded-for": "1.2.3.4"}, [], "203.0.113.9"),
        ("127.0.0.1", {PEER: "203.0.113.9", FORWARDED: "1.2.3.4"}, TEN, "203.0.113.9"),
        (
            "127.0.0.1",
            {PEER: "10.1.1.1", FORWARDED: "1.2.3.4, 203.0.113.5, 10.2.2.2"},
            ["10.0.0.0/8"],
            "203.0.113.5",
        ),
        ("127.0.0.1", {PEER: "10.1.1.1", FORWARDED: "1.2.3.4, junk"}, TEN, "10.1.1.1"),
        ("127.0.0.1", {PEER: "2001:db8:1:2:3:4:5:6"}, [], "2001:db8:1:2::/64"),
        ("127.0.0.1", {PEER: "::ffff:203.0.113.7"}, [], "203.0.113.7"),
    ],
)
def test_a_client_is_who_our_proxy_saw(peer: str, headers: dict[str, str], trusted: list[str], client: str) -> None:
    assert Addresses(trusted).of(_scope(peer, headers, proxied=True)) == client


@pytest.mark.parametrize(
    ("peer", "client"),
    [("127.0.0.1", "127.0.0.1"), ("203.0.113.7", "203.0.113.7"), ("2001:db8::7", "2001:db8::/64"), (None, "unknown")],
)
def test_without_our_proxy_no_header_names_a_client(peer: str | None, client: str) -> None:
    headers = {PEER: "1.2.3.4", FORWARDED: "1.2.3.4", "x-forwarded-for": "1.2.3.4"}
    assert Addresses(["127.0.0.0/8"]).of(_scope(peer, headers, proxied=False)) == client


def _scope(peer: str | None, headers: dict[str, str], proxied: bool) -> dict[str, object]:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (peer, 1) if peer else None, "headers": raw, "state": {"proxied": proxied}}


async def test_behind_a_proxy_nothing_is_answered_that_did_not_come_through_it() -> None:
    router = APIRouter()
    router.add_api_route("/api/v1/things", public()(_nothing))
    async with client(application("things", [router], ServeConfig(), proof="secret")) as http:
        answers = [
            await http.get("/api/v1/things", headers=headers)
            for headers in ({}, {PROOF: ""}, {PROOF: "other"}, {PROOF: "secret"})
        ]
        twice = await http.get("/api/v1/things", headers=[(PROOF, "secret"), (PROOF, "other")])
    assert [answer.status_code for answer in [*answers, twice]] == [403, 403, 403, 200, 403]


async def _nothing() -> None:
    return None
