"""The main job as a stranger does it: one command, then the gateway, then Ctrl-C."""

import hashlib
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.processes import demo, environment, gbm, left_running, wait_for

MESSAGES = 400


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_demonstration_serves_every_message_bit_for_bit_and_leaves_nothing(home: Path) -> None:
    env = environment(home)
    with demo("--messages", str(MESSAGES), env=env, home=home) as running:
        summary = running.summary()
        held = get(f"{summary['gmail']}/_sim/users/{summary['mailboxes'][0]}/messages")
        assert summary["messages"] == len(held) >= MESSAGES
        assert summary["defective"] > 0 and summary["defects"]
        api = f"http://127.0.0.1:{env['GBM_SERVE__PORT']}"
        _the_gateway_answers(api, summary, held)
        _the_link_signs_in_once(api, summary)
        _a_revoked_grant_is_reported(summary["gmail"], summary["mailboxes"][0], env)

        assert running.interrupt() == 0, running.notes()

    wait_for(lambda: not left_running(home), f"still running: {left_running(home)}")
    with demo("--messages", str(MESSAGES), "--exit", env=env, home=home) as again:
        second = again.summary()
        assert again.process.wait(120) == 0
    assert (second["messages"], second["new_messages"]) == (len(held), 0)
    wait_for(lambda: not left_running(home), f"still running: {left_running(home)}")


def _the_gateway_answers(api: str, summary: dict[str, Any], held: list[dict[str, Any]]) -> None:
    with httpx.Client(base_url=api, timeout=30) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 200
        assert client.get("/api/v1/emails").status_code == 401
        assert client.post("/api/v1/auth/token", json={"api_key": "gbm_wrong"}).status_code == 401
        granted = client.post("/api/v1/auth/token", json={"api_key": summary["api_key"]}).json()
        client.headers["Authorization"] = f"Bearer {granted['access_token']}"

        def wrong(message: dict[str, Any]) -> str | None:
            raw = _patiently(client, f"/api/v1/emails/{message['id']}/raw")
            if raw.status_code == 200 and hashlib.sha256(raw.content).hexdigest() == message["sha256"]:
                return None
            return f"{message['id']} of {message['size']} bytes: {raw.status_code} {raw.content[:300]!r}"

        with ThreadPoolExecutor(8) as pool:
            assert [found for found in pool.map(wrong, held) if found] == []

        listed, cursor = [], None
        while True:
            parameters = {"limit": 150, "include_spam_trash": True, **({"cursor": cursor} if cursor else {})}
            page = client.get("/api/v1/emails", params=parameters).json()
            listed += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(listed) == sorted(message["id"] for message in held)
        damaged = client.get(f"/api/v1/emails/{summary['defects'][0]['id']}").json()
        assert damaged["defects"] == summary["defects"][0]["defects"]

        before = client.get("/api/v1/sync/status").json()["synced_at"]
        assert client.post("/api/v1/sync", json={"mode": "incremental"}).status_code == 202
        wait_for(lambda: client.get("/api/v1/sync/status").json()["synced_at"] != before, "the sync ends")


def _the_link_signs_in_once(api: str, summary: dict[str, Any]) -> None:
    address, _, code = summary["web"].partition("/#code=")
    assert address == api
    page = {"X-GBM-CSRF": "none yet", "Origin": api}
    with httpx.Client(base_url=api, timeout=30) as client:
        opened = client.get("/", headers={"Accept": "text/html"})
        assert "require-trusted-types-for" in opened.headers["content-security-policy"]
        signed_in = client.post("/api/v1/auth/session", json={"code": code}, headers=page)
        assert signed_in.json()["email"] == summary["mailboxes"][0]
        assert client.get("/api/v1/emails").status_code == 200
        assert client.post("/api/v1/auth/session", json={"code": code}, headers=page).status_code == 401
        assert client.delete("/api/v1/auth/session", headers=page).status_code == 403
        page["X-GBM-CSRF"] = signed_in.json()["csrf_token"]
        assert client.delete("/api/v1/auth/session", headers=page).status_code == 204
        assert client.get("/api/v1/emails").status_code == 401


def _patiently(client: httpx.Client, path: str) -> httpx.Response:
    """As a client that is told to wait does: a busy machine's broker of rates may be late."""
    until = time.monotonic() + 60
    while True:
        answer = client.get(path)
        if answer.status_code != 429 or time.monotonic() > until:
            return answer
        time.sleep(float(answer.headers["Retry-After"]))


def _a_revoked_grant_is_reported(simulator: str, email: str, env: dict[str, str]) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{simulator}/_sim/users/{email}/revoke", method="POST")).read()

    done = gbm("sync", email, "--wait", env=env)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "gbm accounts add" in " ".join(done.stderr.split())
