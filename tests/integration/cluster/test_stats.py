"""`gbm stats` and `gbm report`, run as a person runs them; the page is opened in a browser where there is one."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from cluster.stores import Stores
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import NOON, Mail, Shard

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = '"><script>console.error("ran")</script><img src=http://127.0.0.1:1/x onerror=console.error(1)>'


@pytest.fixture
def mailbox(stores: Stores, shard: Shard) -> str:
    """Mail of a week, some of it hostile in what a page shows of it."""
    user = stores.control.user(ANN)
    shard.store(
        user.user_id,
        *(
            Mail(
                100 + number,
                subject=HOSTILE,
                sender=f"{HOSTILE} <eve@example.com>" if number % 2 else "Zoe <zoe@example.com>",
                labels=("INBOX", "UNREAD") if number % 3 else ("SENT",),
                received_at=NOON + timedelta(hours=5 * number),
            )
            for number in range(30)
        ),
    )
    return ANN


def test_a_mailbox_is_drawn(mailbox: str) -> None:
    done = gbm("stats", mailbox, "--tz", "Europe/Berlin")
    assert done.exit_code == 0, done.output
    for piece in ("32 messages", "10 sent", "Messages per day (Europe/Berlin)", "Mon", "zoe@example.com", "INBOX"):
        assert piece in done.stdout, piece


def test_numbers_are_those_of_the_search_as_json(mailbox: str) -> None:
    told = orjson.loads(gbm("stats", mailbox, "--query", "from:zoe", "--json").stdout)
    assert sum(year["messages"] for year in told["overview"]["years"]) == 15
    assert [each["address"] for each in told["senders"]] == ["zoe@example.com"]
    assert sum(each["messages"] for each in told["timeline"]) == 15
    assert "No messages match" in gbm("stats", mailbox, "--query", "from:nobody").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stats", ANN, "--tz", "Mars/Olympus"), 'There is no time zone "Mars/Olympus"'),
        (("stats", ANN, "--from", "soon"), "'soon' is not a time"),
        (("stats", "nobody@example.com"), "nobody@example.com"),
        (("report", ANN, "--out", "/nowhere/report.html"), "/nowhere/report.html cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_said(mailbox: str, arguments: tuple[str, ...], said: str) -> None:
    done = gbm(*arguments)
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split())


def test_a_report_stands_alone(mailbox: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert gbm("report", mailbox, "--out", str(file)).exit_code == 0
    text = file.read_text()
    assert text.count("<section") == 10
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "").replace("src=http://127.0.0.1:1/x", "")
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_shows_a_report_without_a_word_in_its_console(mailbox: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert gbm("report", mailbox, "--out", str(file)).exit_code == 0
    picture = tmp_path / "report.png"
    shown = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"),
            *(f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1200,1600", f"--screenshot={picture}"),
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert picture.stat().st_size > 20_000, shown.stderr
    assert "CONSOLE" not in shown.stderr, shown.stderr
