"""`gbm accounts login` as its user sees it: a page to open, a consent, a mailbox that can be backed up."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from cluster.simulator.process import start_simulator
from tests.e2e.processes import READY_S, environment, gbm


def _consent(page: str, email: str) -> httpx.Response:
    """What the owner's browser does: the page, the button, and back to the command."""
    with httpx.Client(timeout=30) as browser:
        address, _, query = page.partition("?")
        assert email in browser.get(page).text
        form = {name: values[0] for name, values in parse_qs(query).items()}
        back = browser.post(address, data={**form, "decision": "allow", "email": email})
        return browser.get(back.headers["location"])


@pytest.mark.slow
def test_a_login_adds_a_mailbox_by_its_owners_consent(home: Path) -> None:
    with start_simulator(["--generate=3", "--users=2"]) as gmail:
        client = home / "client.json"
        client.write_bytes(httpx.get(f"{gmail}/_sim/client").content)
        email = httpx.get(f"{gmail}/_sim/users").json()[1]["email"]
        env = environment(home, GBM_GMAIL__ENDPOINT=gmail, GBM_GMAIL__QUOTA_PROFILE="unlimited")
        command = [sys.executable, "-m", "cluster.main", "accounts", "login", email, "--client", str(client)]
        with subprocess.Popen(
            [*command, "--no-browser"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            page = next(line.strip() for line in process.stderr if line.startswith(gmail))
            answer = _consent(page, email)
            said = process.communicate(timeout=READY_S)[1]

        assert (process.returncode, answer.status_code) == (0, 200), said
        assert "gbm backfill" in said
        listed = gbm("accounts", "list", "--json", env=env)
        assert [account["email"] for account in json.loads(listed.stdout)] == [email]
        secret = httpx.get(f"{gmail}/_sim/client").json()["installed"]["client_secret"]
        assert not re.search(re.escape(secret), said + listed.stdout + listed.stderr), "no secret is shown"


def test_a_client_file_that_is_none_is_named_as_such(home: Path) -> None:
    file = home / "client.json"
    file.write_text("{}")

    done = gbm("accounts", "login", "ann@example.com", "--client", str(file), env=environment(home))

    assert done.returncode == 1
    assert "not the file of an OAuth client" in " ".join(done.stderr.split())
