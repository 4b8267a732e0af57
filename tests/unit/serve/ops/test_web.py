"""serve/ops/web.py, and the files that serve/web/ builds."""

import gzip
import hashlib
import re
from pathlib import Path

import httpx
import pytest

from serve.config import ServeConfig
from serve.gateway import application
from serve.ops import web
from tests.unit.serve.fakes import client

SOURCES = Path(web.__file__).parents[1] / "web"
#: Bytes of what a browser loads first, compressed.
MOST_BYTES = 150_000


@pytest.fixture
def http() -> httpx.AsyncClient:
    return client(application("gateway", [web.router()], ServeConfig()))


def _loaded() -> list[str]:
    """Names of the files that the page loads at once."""
    return re.findall(r'(?:src|href)="/assets/([^"]+)"', web.files()["index.html"].content.decode())


async def test_a_view_is_the_page_with_a_strict_policy(http: httpx.AsyncClient) -> None:
    for view in web.VIEWS:
        answer = await http.get(f"/{view}", headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy and "http" not in policy
        assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
        assert "frame-ancestors 'none'" in policy


async def test_assets_are_cached_for_a_year_and_compressed(http: httpx.AsyncClient) -> None:
    for name in _loaded():
        assert re.search(r"-[\w-]{8}\.(js|css|svg)$", name), f"{name} has no hash"
        answer = await http.get(f"/assets/{name}", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
        plain = await http.get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == answer.content == web.files()[name].content


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2Findex.html", "sources.sha256", "%00"])
async def test_there_are_no_other_files(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.get(f"/assets/{name}")).status_code == 404


def test_the_first_load_is_small() -> None:
    loaded = {"index.html", *_loaded()}
    assert len(loaded) > 3
    size = sum(len(gzip.compress(web.files()[name].content, 9)) for name in loaded)
    assert size <= MOST_BYTES, f"{size} bytes"


def test_the_page_has_no_script_or_style_of_its_own_text() -> None:
    page = web.files()["index.html"].content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page) == [""]


def test_no_file_names_another_host() -> None:
    # Namespaces of XML, and the documentation that Svelte's messages point to: neither is fetched.
    known = re.compile(
        r"https?://(www\.w3\.org/(2000/svg|1999/xlink|1999/xhtml|1998/Math/MathML|XML/1998/namespace)|svelte\.dev/e/)"
    )
    for name, file in web.files().items():
        text = file.content.decode()
        assert not re.findall(r"https?://[^\s\"'`]+", known.sub("", text)), name


def test_no_source_makes_html_of_a_text() -> None:
    forbidden = re.compile(
        r"\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\(|new Function"
    )
    sources = [*SOURCES.glob("src/**/*.svelte"), *SOURCES.glob("src/**/*.ts")]
    assert len(sources) > 30
    assert [path.name for path in sources if forbidden.search(path.read_text(encoding="utf-8"))] == []


def test_the_built_files_are_those_of_the_sources() -> None:
    """What vite.config.ts writes into sources.sha256."""
    names = ["index.html", "package-lock.json", "vite.config.ts"]
    paths = [SOURCES / name for name in names] + [path for path in (SOURCES / "src").rglob("*") if path.is_file()]
    relative = sorted(path.relative_to(SOURCES).as_posix() for path in paths)
    digest = hashlib.sha256()
    for name in relative:
        if not name.endswith((".test.ts", "schema.d.ts")):
            digest.update(name.encode() + b"\0" + (SOURCES / name).read_bytes() + b"\0")
    written = (SOURCES / "built" / "sources.sha256").read_text().strip()
    assert written == digest.hexdigest(), "serve/web has changed: run `make web` (needs Node), commit serve/web/built"


def test_the_lock_names_no_registry() -> None:
    lock = (SOURCES / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
