"""The web interface in Chromium, against the gateway's applications over HTTP: what an owner does, sees and is spared.

Skipped without Chromium (Debian: apt-get install chromium). Every test also fails if the page sends a request to
another origin, writes an error to the console, or has run what hostile mail brought along.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from serve.auth import sign_in_codes
from storage.control.principal import Principal
from tests.integration.serve.conftest import Archive, stores
from tests.integration.serve.running import running
from tests.integration.serve.web.mailbox import HOSTILE, LETTERS, Mailbox, fill

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(__file__).parents[4] / "serve" / "web" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
WIDE, PHONE = (1440, 900), (390, 844)
_SCROLLED = """
at => {
  const box = document.querySelector('[role=listbox][aria-label=Messages]').parentElement
  const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 1
  return box.scrollTop > at || (isAtEnd && !document.querySelector('.skeleton'))
}
"""
VIEWS = ("mail", "files", "statistics", "backup", "access")

expect.set_options(timeout=60_000)  # a machine may be busy with other tests

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]


@dataclass
class World:
    """A gateway with a mailbox, and a browser."""

    url: str
    archive: Archive
    mailbox: Mailbox
    browser: Browser

    @contextmanager
    def page(self, size: tuple[int, int] = WIDE, scheme: str = "light", expected: str = "^$") -> Iterator[Page]:
        """A page of a new browser profile. expected: pattern of errors that the console may show."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-US",
        )
        watch = Watch(self.url, re.compile(expected))
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", watch.request)
        page.on("console", watch.console)
        page.on("pageerror", lambda error: watch.wrong.append(str(error)))
        try:
            yield page
            assert page.evaluate("window.owned") is None, "hostile mail ran a script"
            assert watch.wrong == []
        finally:
            context.close()

    def sign_in(self, page: Page, path: str = "/mail") -> None:
        page.goto(self.url + path)
        page.get_by_label("API key").fill(self.mailbox.key)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.locator("nav")).to_be_attached()  # on a phone it is there, and hidden

    def code(self) -> str:
        user = self.mailbox.user
        principal = Principal(user.user_id, user.email, user.shard_id, "owner")
        return sign_in_codes.new_code(self.archive.control, principal, None)


@dataclass
class Watch:
    """What a page did that it must not."""

    origin: str
    expected: re.Pattern[str]
    wrong: list[str] = field(default_factory=list)

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.wrong.append(f"request to {request.url}")

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self.expected.search(message.text):
            self.wrong.append(message.text)


@pytest.fixture(scope="module")
def world(module_stores: Callable[[], tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    archive = stores(module_stores, tmp_path_factory.mktemp("web"))
    mailbox = fill(archive)
    with running(archive) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield World(url, archive, mailbox, browser)
        browser.close()
    archive.databases.close()


def _rows(page: Page) -> Locator:
    """The rows of the list that are in the document."""
    return page.get_by_role("listbox", name="Messages").get_by_role("option")


def _open(page: Page, subject: str) -> None:
    _rows(page).filter(has_text=subject).first.click()
    expect(page.get_by_role("article").get_by_role("heading", level=1)).to_be_visible()


def test_a_key_signs_in_and_signing_out_ends_it(world: World) -> None:
    with world.page(expected="401") as page:
        page.goto(world.url)
        page.get_by_label("API key").fill("gbm_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
        page.get_by_label("API key").fill(world.mailbox.key)
        page.keyboard.press("Enter")
        expect(_rows(page).first).to_be_visible()
        assert page.evaluate("document.cookie") == "", "scripts cannot read the session"
        stored = page.evaluate("JSON.stringify([localStorage, sessionStorage])")
        assert "gb" not in stored.replace("gbm-", "")

        page.reload()
        expect(_rows(page).first).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_label("API key")).to_be_visible()
        assert page.context.cookies() == []
        page.reload()
        expect(page.get_by_label("API key")).to_be_visible()


def test_a_link_signs_in_once_and_leaves_no_trace_in_the_address(world: World) -> None:
    code = world.code()
    with world.page() as page:
        page.goto(f"{world.url}/#code={code}")
        expect(_rows(page).first).to_be_visible()
        assert code not in page.url
    with world.page(expected="401") as page:
        page.goto(f"{world.url}/#code={code}")
        expect(page.get_by_role("alert")).to_contain_text("has been used or has expired")


def test_a_message_is_found_read_and_left_by_address_and_history(world: World) -> None:
    with world.page() as page:
        world.sign_in(page)
        page.get_by_role("combobox", name="Search mail").fill("subject:parity from:grace")
        page.keyboard.press("Enter")
        expect(_rows(page)).to_have_count(1)
        _open(page, "the parity tables")
        assert "q=subject" in page.url and "id=800" in page.url
        address = page.url
        page.get_by_role("tab", name="Text").click()
        expect(page.get_by_role("tabpanel")).to_contain_text("see the file")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download numbers.csv").click()
        assert download.value.path().read_bytes() == b"a,b\r\n1,2"
        page.get_by_role("tab", name="Source").click()
        expect(page.get_by_label("Source", exact=True).last).to_contain_text("boundary=b")

        page.go_back()
        expect(page.get_by_role("article")).to_have_count(0)
        page.go_back()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        page.goto(address)
        expect(page.get_by_role("article").get_by_role("heading", name="the parity tables")).to_be_visible()


def test_a_wrong_search_is_shown_at_its_place(world: World) -> None:
    with world.page(expected="400") as page:
        world.sign_in(page)
        box = page.get_by_role("combobox", name="Search mail")
        box.fill("fr")
        page.keyboard.press("Tab")
        expect(box).to_have_value("from:")
        box.fill("from:(")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Character 6: unbalanced parenthesis")
        expect(box).to_have_attribute("aria-invalid", "true")
        page.get_by_role("button", name="Clear the search").click()
        expect(_rows(page).first).to_be_visible()


def test_a_long_list_is_fetched_as_it_is_scrolled_and_few_rows_are_in_the_document(world: World) -> None:
    with world.page() as page:
        world.sign_in(page)
        expect(_rows(page).first).to_be_visible()
        seen = set()
        box = page.get_by_role("listbox", name="Messages").locator("..")
        for _ in range(60):
            seen |= set(_rows(page).evaluate_all("rows => rows.map(row => row.id)"))
            assert _rows(page).count() < 60
            before = box.evaluate("box => box.scrollTop")
            box.evaluate("box => box.scrollBy(0, 900)")
            page.wait_for_function(_SCROLLED, arg=before)
        assert len(seen) > LETTERS


def test_the_keys_of_gmail_work(world: World) -> None:
    with world.page() as page:
        world.sign_in(page)
        expect(_rows(page).first).to_be_visible()
        for key in ("j", "j", "k", "o"):
            page.keyboard.press(key)
        expect(page.get_by_role("article")).to_be_visible()
        second = _rows(page).nth(1).get_attribute("id")
        assert page.url.endswith(str(second).removeprefix("row-")) or f"id={str(second)[4:]}" in page.url
        page.keyboard.press("j")
        expect(page).not_to_have_url(re.compile(f"id={str(second)[4:]}(&|$)"))
        page.keyboard.press("u")
        expect(page.get_by_role("article")).to_have_count(0)
        for keys, heading in (("gs", "Starred"), ("gt", "Sent"), ("gd", "Drafts"), ("ga", "All mail"), ("gi", "Inbox")):
            for key in keys:
                page.keyboard.press(key)
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        for keys, heading in (("gf", "Attachments"), ("gc", "Statistics")):
            for key in keys:
                page.keyboard.press(key)
            expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Previous in the conversation")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.keyboard.press("/")
        expect(page.get_by_role("combobox", name="Search mail")).to_be_focused()


def test_the_mailbox_is_shown_as_of_an_earlier_time(world: World) -> None:
    with world.page() as page:
        world.sign_in(page, "/mail?q=subject:statement+in:inbox")
        expect(page.get_by_text("Nothing found")).to_be_visible()
        then = world.mailbox.before.isoformat().replace("+00:00", "Z")
        page.goto(f"{world.url}/mail?q=subject:statement+in:inbox&as_of={quote(then)}")
        expect(_rows(page).filter(has_text="your statement")).to_be_visible()
        expect(page.get_by_text("The mailbox as of")).to_be_visible()
        expect(page.get_by_role("slider", name="Time of the mailbox that is shown")).to_be_visible()
        expect(page.get_by_text("Changes that the backup has seen: 1", exact=True)).to_be_visible()
        page.get_by_role("button", name="Back to now").click()
        expect(page.get_by_text("Nothing found")).to_be_visible()


def test_a_conversation_is_walked_by_keys_and_a_sender_is_explained(world: World) -> None:
    with world.page() as page:
        world.sign_in(page, "/mail?label=Label_1&id=700")
        expect(page.get_by_text("4 messages in this conversation")).to_be_visible()
        page.keyboard.press("n")
        expect(page).to_have_url(re.compile("id=701"))
        expect(page.get_by_text("4 messages in this conversation")).to_be_visible()
        page.keyboard.press("p")
        expect(page).to_have_url(re.compile("id=700"))
        page.goto(f"{world.url}/mail?label=&id=801&tab=details")
        expect(page.get_by_role("tabpanel")).to_contain_text("confirmed that this message was sent by bank.example")
        expect(page.get_by_role("tabpanel")).to_contain_text("Who the message says that it is from.")


def test_every_other_page_shows_what_there_is(world: World) -> None:
    with world.page() as page:
        world.sign_in(page, "/files")
        expect(page.get_by_role("link", name="numbers.csv")).to_be_visible()
        page.get_by_label("Filter by name, type or sender").fill("no such file")
        expect(page.get_by_text("No file matches.")).to_be_visible()
        page.goto(f"{world.url}/statistics")
        expect(page.get_by_role("heading", name="Who writes most")).to_be_visible()
        page.get_by_role("button", name=re.compile("Show the mail of")).first.click()
        expect(_rows(page).first).to_be_visible()
        assert "q=from" in page.url
        page.goto(f"{world.url}/backup")
        expect(page.get_by_text("Complete and up to date").first).to_be_visible()
        expect(page.get_by_text("It waits for nothing.")).to_be_visible()
        page.get_by_role("main").get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        page.goto(f"{world.url}/access")
        page.get_by_role("button", name="Create").click()
        made = page.get_by_text(re.compile("^gbm_"))
        expect(made).to_be_visible()
        key_id = str(made.text_content()).split("_")[1]
        row = page.get_by_role("row").filter(has_text=key_id)
        row.get_by_role("button", name="Revoke").click()
        row.get_by_role("button", name=re.compile("Revoke it")).click()
        expect(row).to_contain_text("Revoked")


def test_hostile_mail_does_nothing(world: World) -> None:
    with world.page() as page:
        world.sign_in(page, "/mail?label=STARRED")
        expect(_rows(page)).to_have_count(len(HOSTILE))
        for number, (name, (headers, _)) in enumerate(HOSTILE.items()):
            page.goto(f"{world.url}/mail?label=STARRED&id={0x600 + number:x}")
            article = page.get_by_role("article")
            expect(article.get_by_role("heading", level=1)).to_be_visible()
            if "text/html" in headers:
                frame = page.frame_locator("iframe[title='The message']")
                expect(frame.locator("body")).to_contain_text("seen" if "form" not in name else "")
                assert page.locator("iframe").get_attribute("sandbox") == "allow-popups allow-popups-to-escape-sandbox"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} widens the page"
            assert page.url.startswith(world.url), name


@pytest.mark.parametrize("language", ["de", "ja"])
def test_the_page_speaks_other_languages(world: World, language: str) -> None:
    words = {"de": ("Posteingang", "Anmelden", "API-Schlüssel"), "ja": ("受信トレイ", "ログイン", "APIキー")}[language]
    context = world.browser.new_context(locale=language)
    page = context.new_page()
    page.goto(world.url)
    page.get_by_label(words[2]).fill(world.mailbox.key)
    page.get_by_role("button", name=words[1], exact=True).click()
    expect(page.get_by_role("heading", name=words[0])).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == language
    context.close()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_failing_server_is_told_and_what_was_loaded_stays(world: World, size: tuple[int, int]) -> None:
    with world.page(size, expected="ERR_FAILED|Failed to load") as page:
        world.sign_in(page)
        expect(_rows(page).first).to_be_visible()
        page.route("**/api/v1/**", lambda route: route.abort())
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.get_by_text("You see what was loaded at")).to_be_visible()
        expect(_rows(page).first).to_be_visible()
        _rows(page).first.click()
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.unroute("**/api/v1/**")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("article").get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.timeout(900)
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make web")
@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(WIDE, "light", id="wide-light"),
        pytest.param(WIDE, "dark", id="wide-dark"),
        pytest.param(PHONE, "light", id="phone-light", marks=pytest.mark.unproven),
        pytest.param(PHONE, "dark", id="phone-dark"),
    ],
)
def test_axe_finds_nothing_serious(world: World, size: tuple[int, int], scheme: str) -> None:
    with world.page(size, scheme) as page:
        page.goto(world.url)
        expect(page.get_by_label("API key")).to_be_visible()
        found = _serious(page, "signed out")
        world.sign_in(page)
        paths = [f"/{view}" for view in VIEWS]
        paths += ["/mail?label=&id=801&tab=details", "/mail?label=Label_1&id=700", "/mail?label=STARRED&id=605"]
        paths += ["/mail?q=lunch", "/mail?q=nothing-like-it", "/mail?as_of=2001-01-01T00:00:00Z"]
        for path in paths:
            page.goto(world.url + path)
            page.wait_for_load_state("networkidle")
            found += _serious(page, path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the page"
        assert found == []


def _serious(page: Page, where: str) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, {iframes: false})")
    return [
        f"{where}: {each['id']}: {each['nodes'][0]['html'][:200]} ({len(each['nodes'])} places)"
        for each in result["violations"]
        if each["impact"] in ("serious", "critical")
    ]
