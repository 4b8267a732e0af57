"""Mail that was written to do harm is listed, read and downloaded like any other."""

import base64
import io
import zipfile
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from serve.http.byte_ranges import clean_name
from tests.integration.serve.conftest import Archive, signed_in

SAFE = ("text/plain", "application/zip", "application/octet-stream", "message/rfc822")
EMAIL = "/api/v1/emails/1"


def _html(markup: str) -> bytes:
    return f"Subject: html\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{markup}".encode()


def _nested() -> bytes:
    head = b"Content-Type: message/rfc822\r\n\r\n"
    return b"Subject: nested\r\n" + head * 1000 + b"Subject: core\r\n\r\nthe core\r\n"


def _attached(headers: bytes, content: bytes = b"content") -> bytes:
    return (
        b"Subject: attached\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        b"see below\r\n--b\r\n"
        + headers
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(content)
        + b"--b--\r\n"
    )


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("zeros", bytes(64 << 20))
    return packed.getvalue()


def _parts(count: int) -> bytes:
    part = b"--b\r\nContent-Type: application/x-y\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n"
    return b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * count + b"--b--\r\n"


NAMES = [
    b'Content-Disposition: attachment; filename="a\r\n Set-Cookie: sid=1\r\n\r\n<script>.txt"',
    b"Content-Disposition: attachment; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20sid%3D1",
    b'Content-Disposition: attachment; filename="../../../../etc/cron.d/x"',
    'Content-Disposition: attachment; filename="invoice\u202efdp.exe"'.encode(),
]

MAIL: dict[str, Callable[[], bytes]] = {
    "script": lambda: _html("<b>ok</b><script>alert(1)</script><img src=x onerror=alert(1)>"),
    "css": lambda: _html("<style>input[value^=a]{background:url(https://e.example/a)}</style><b>ok</b>"),
    "svg": lambda: _html("<b>ok</b><svg><script>alert(1)</script><image href='https://e.example/'/></svg>"),
    "deep tags": lambda: _html("<b>ok</b>" + "<div>" * 100_000),
    "nested": _nested,
    "bomb": lambda: _attached(b"Content-Type: application/zip; name=b.zip", _bomb()),
    "parts": lambda: _parts(10_000),
    "header": lambda: b"Subject: " + b"x" * 1_000_000 + b"\r\nX-Null: a\0b\r\n\xff\xfe: \x80\r\n\r\nbody",
    "nothing": lambda: b"\0",
    **{
        f"name {number}": partial(_attached, b"Content-Type: text/plain\r\n" + head)
        for number, head in enumerate(NAMES)
    },
    "svg file": lambda: _attached(b"Content-Type: image/svg+xml; name=x.svg", b"<svg onload='alert(1)'/>"),
    "html file": lambda: _attached(b"Content-Type: text/html; name=x.html", b"<script>1</script>"),
}


@pytest.mark.parametrize("name", MAIL)
async def test_hostile_mail_is_listed_read_and_downloaded_without_harm(
    client: httpx.AsyncClient, archive: Archive, name: str
) -> None:
    raw = MAIL[name]()
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], raw)])
    headers = await signed_in(client, key)

    listed = await client.get("/api/v1/emails", headers=headers)
    assert [item["id"] for item in listed.json()["items"]] == ["1"]
    shown = await client.get(EMAIL, headers=headers)
    assert shown.status_code == 200
    assert (await client.get(f"{EMAIL}/raw", headers=headers)).content == raw

    page = await client.get(f"{EMAIL}/html", headers=headers)
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'; img-src data:; ")
    assert "sandbox" in page.headers["content-security-policy"]
    body = page.text.split("<body>")[1].lower()
    for forbidden in ("<script", "<style", "<svg", "onerror", "onload", "e.example", "url("):
        assert forbidden not in body
    if name in ("script", "css", "svg", "deep tags"):
        assert "ok" in body

    files = (await client.get(f"{EMAIL}/attachments", headers=headers)).json()["items"]
    assert files == shown.json()["attachments"]
    for n, file in list(enumerate(files))[:3]:
        got = await client.get(f"{EMAIL}/attachments/{n}", headers=headers)
        same = await client.get(f"{EMAIL}/parts/{file['part']}", headers=headers)
        assert got.status_code == 200
        assert len(got.content) == file["size_bytes"]
        assert same.content == got.content
        assert got.headers["etag"] == f'"{file["sha256"]}"'
        assert got.headers["content-type"].split(";")[0] in SAFE
        assert got.headers["content-disposition"].startswith("attachment; filename=")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in got.headers["content-security-policy"]
        assert "set-cookie" not in got.headers
        assert clean_name(file["filename"]) not in ("", "..")
    if name == "bomb":
        assert len(files) == 1
        assert files[0]["size_bytes"] < 1 << 20


async def test_files_are_downloaded_in_ranges(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    content = bytes(range(256)) * 4000
    raw = _attached(b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=r.pdf", content)
    archive.commit(user, [(1, ["INBOX"], raw)])
    headers = await signed_in(client, key)

    for path, whole in ((f"{EMAIL}/attachments/0", content), (f"{EMAIL}/raw", raw), (f"{EMAIL}/parts/2", content)):
        first = await client.get(path, headers=headers | {"Range": "bytes=0-999"})
        rest = await client.get(path, headers=headers | {"Range": "bytes=1000-", "If-Range": first.headers["etag"]})
        assert (first.status_code, rest.status_code) == (206, 206)
        assert first.content + rest.content == whole
        beyond = await client.get(path, headers=headers | {"Range": f"bytes={len(whole)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
        known = await client.get(path, headers=headers | {"If-None-Match": first.headers["etag"]})
        assert known.status_code == 304


@pytest.mark.parametrize(
    "path", ["attachments/1", "attachments/x", "attachments/-1", "parts/9", "parts/x", "parts/1.1.1", "parts/0"]
)
async def test_missing_parts_of_a_message_are_404(client: httpx.AsyncClient, archive: Archive, path: str) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], _attached(b"Content-Type: text/plain; name=a"))])
    answer = await client.get(f"{EMAIL}/{path}", headers=await signed_in(client, key))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
