"""Requests that no client sends are refused in a sentence, and never a defect of the service."""

import base64

import httpx

from tests.integration.serve.conftest import Archive, signed_in

EMAIL = "/api/v1/emails/1"
DEEP = "[" * 100_000
CURSOR = base64.urlsafe_b64encode(b"[" * 4000).decode()
JSON = {"Content-Type": "application/json"}
#: Method, path, headers, body: what no client sends.
REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes | None]] = {
    "a cursor of deep JSON": ("GET", "/api/v1/emails?cursor=" + CURSOR, {}, None),
    "a cursor that is no base64": ("GET", "/api/v1/emails?cursor=%ff%fe", {}, None),
    "a cursor of a number beyond all": ("GET", "/api/v1/emails?cursor=" + "9" * 4000, {}, None),
    "a limit with an exponent": ("GET", "/api/v1/emails?limit=1e2", {}, None),
    "a limit of many digits": ("GET", "/api/v1/emails?limit=" + "9" * 5000, {}, None),
    "a limit in Arabic digits": ("GET", "/api/v1/emails?limit=%D9%A3%D9%A30000", {}, None),
    "a time in year 0": ("GET", "/api/v1/emails?as_of=0000-01-01T00:00:00Z", {}, None),
    "a time with an impossible zone": ("GET", "/api/v1/emails?as_of=2020-01-01T00:00:00%2B99:99", {}, None),
    "a time that is infinite": ("GET", "/api/v1/emails?as_of=infinity", {}, None),
    "an id beyond 64 bits": ("GET", "/api/v1/emails/ffffffffffffffffff", {}, None),
    "an id of signs": ("GET", "/api/v1/emails/-1", {}, None),
    "an id of full width digits": ("GET", "/api/v1/emails/%EF%BC%91", {}, None),
    "a zone that is a path": ("GET", "/api/v1/analytics/activity?tz=../../etc/passwd", {}, None),
    "a zone of NUL": ("GET", "/api/v1/analytics/activity?tz=UTC%00", {}, None),
    "a part that is deep": ("GET", f"{EMAIL}/parts/" + ".".join(["1"] * 95), {}, None),
    "a part in Arabic digits": ("GET", f"{EMAIL}/parts/%D9%A1", {}, None),
    "an attachment below zero": ("GET", f"{EMAIL}/attachments/-1", {}, None),
    "a position of garbage": ("GET", "/api/v1/emails", {"X-GBM-Position": "\x01" * 100}, None),
    "a position that is deep": ("GET", "/api/v1/emails", {"X-GBM-Position": DEEP[:5000]}, None),
    "a search of NUL": ("GET", "/api/v1/emails?q=a%00b", {}, None),
    "a search of half a pair": ("GET", "/api/v1/emails?q=%ED%A0%80", {}, None),
    "a label that is a pattern": ("GET", "/api/v1/emails?label=%25%27;--%00", {}, None),
    "fields that are deep": ("GET", "/api/v1/emails?fields=" + "items(" * 800, {}, None),
    "JSON that is deep": ("POST", "/api/v1/sync", JSON, DEEP.encode()),
    "JSON beyond numbers": ("POST", "/api/v1/sync", JSON, b'{"mode": 1e999999}'),
    "JSON of half a pair": ("POST", "/api/v1/sync", JSON, b'{"mode": "\\ud800"}'),
    "JSON of many digits": ("POST", "/api/v1/sync", JSON, b'{"mode":' + b"9" * 9000 + b"}"),
    "a body that says it is packed": (
        *("POST", "/api/v1/sync"), JSON | {"Content-Encoding": "gzip"}, b"\x1f\x8b" + bytes(50)
    ),
    "a form": ("POST", "/api/v1/sync", {"Content-Type": "application/x-www-form-urlencoded"}, b"mode=full"),
    "SQL that is deep": (
        *("POST", "/api/v1/analytics/sql"), JSON,
        b'{"sql": "SELECT ' + b"(" * 20_000 + b'"}',
    ),
    "a method of another protocol": ("PROPFIND", "/api/v1/emails", {}, None),
}  # fmt: skip
#: What is harmless, and may be answered as if it were not there.
HARMLESS: dict[str, dict[str, str]] = {
    "many ranges": {"Range": "bytes=" + ",".join(f"{number}-{number}" for number in range(2000))},
    "ranges that overlap": {"Range": "bytes=0-," * 500},
    "a range of many digits": {"Range": "bytes=0-" + "9" * 5000},
    "many etags": {"If-None-Match": ",".join(f'"{number}"' for number in range(2000))},
    "an open etag": {"If-None-Match": '"' * 3000},
    "a trace of garbage": {"traceparent": "00-" + "g" * 32 + "-1-zz"},
    "a date beyond all": {"If-Modified-Since": "Mon, 99 Foo 99999 99:99:99 GMT"},
    "an id of control characters": {"X-Request-ID": "a\x0bb" * 100},
    "a language of many parts": {"Accept-Language": "a;q=" * 1000},
}


async def test_what_no_client_sends_is_refused_and_never_a_defect(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], b"Subject: x\r\n\r\nbody")])
    token = await signed_in(client, key)

    told = {}
    for name, (method, path, headers, body) in REQUESTS.items():
        answer = await client.request(method, path, headers=token | headers, content=body)
        told[name] = answer.status_code
        assert "Traceback" not in answer.text and len(answer.text) < 20_000, name
    assert {name: status for name, status in told.items() if not 400 <= status < 500} == {}

    for name, extra in HARMLESS.items():
        for path in (f"{EMAIL}/raw", EMAIL, "/api/v1/emails"):
            answer = await client.get(path, headers=token | extra)
            told[name] = answer.status_code
            assert answer.status_code in (200, 206, 400, 416), (name, path)
            assert len(answer.content) < 10_000, (name, path)
