"""What the API's description says is what a running cluster's gateway does, whoever asks: schemathesis, all checks.

One role sends everything, valid or not; the others what is valid: the rest is refused before it matters who asks.
Where CI is set there are fewer generated cases.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.simulator.process import start_simulator
from tests.conftest import private_home
from tests.e2e.processes import environment, gbm
from tests.e2e.test_demo import get

#: What is well-formed may still mean nothing: a search, a cursor or a position of no answer is 400, what is not there
#: 404, what cannot be done now 409, a range beyond the end 416, a stream too many 429. Who may not is refused (401,
#: 403) before anything is read.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 416, 429]
[checks.negative_data_rejection]
expected-statuses = [304, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]
# An Idempotency-Key that came with another body before is 422 (draft-ietf-httpapi-idempotency-key-header, 2.7).
[[operations]]
include-name = "POST /api/v1/sync/backfills"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 416, 422, 429]
[[operations]]
include-name = "POST /api/v1/sync/restores"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 416, 422, 429]
# Events before a time, or after an event, that are deleted already.
[[operations]]
include-path-regex = "/events(/stream)?$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 410, 416, 429]
"""
#: Who may call most, and the others.
FIRST, OTHERS = "operator", ("owner", "auditor", "narrowed", "grant", "nobody")
IN_CI = bool(os.environ.get("CI"))
FREE = json.dumps({"per_s": 1e6, "burst": 1e7})
#: It ends everybody's sessions: asked last of all.
ENDING = "sign-out"


@dataclass(frozen=True)
class Running:
    """A cluster, and a token for every role whose mailbox has mail."""

    address: str
    tokens: Mapping[str, str | None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Running]:
    home = private_home()
    with start_simulator(["--generate=60", "--users=3", "--quota-profile=unlimited"]) as gmail:
        rates = {f"GBM_SERVE__RATES__{name}": FREE for name in ("PRINCIPAL", "ADDRESS", "LOGIN", "TOTAL")}
        env = environment(home, GBM_GMAIL__ENDPOINT=gmail, GBM_GMAIL__TOKEN_URI=f"{gmail}/token", **rates)
        up = gbm("up", "--json", env=env)
        assert up.returncode == 0, up.stderr
        try:
            emails = [user["email"] for user in get(f"{gmail}/_sim/users")]
            for email in emails:
                file = home / "grant.json"
                file.write_text(json.dumps(get(f"{gmail}/_sim/users/{email}/authorized-user")))
                assert gbm("accounts", "add", email, "--authorized-user", str(file), env=env).returncode == 0
            done = gbm("backfill", "--all", "--wait", env=env)
            assert done.returncode == 0, done.stderr
            yield Running(address := json.loads(up.stdout)["api"], _tokens(address, emails, env))
        finally:
            assert gbm("down", env=env).returncode == 0
    shutil.rmtree(home)


def _tokens(address: str, emails: list[str], env: Mapping[str, str]) -> dict[str, str | None]:
    """Owner, operator and auditor with a mailbox each; a key for mail alone; an auditor who reads the owner's mail."""
    with httpx.Client(base_url=address, timeout=60) as http:

        def post(path: str, role: str, body: Any = None) -> Any:
            headers = {"Authorization": f"Bearer {tokens[role]}"} if role in tokens else {}
            return http.post(f"/api/v1/auth/{path}", json=body, headers=headers).raise_for_status().json()

        tokens: dict[str, str | None] = {}
        for role, email in zip(("owner", "operator", "auditor"), emails, strict=True):
            made = gbm("keys", "create", email, "--role", role, "--json", env=env)
            tokens[role] = post("token", "nobody", {"api_key": json.loads(made.stdout)["api_key"]})["access_token"]
        narrowed = post("keys", "owner", {"scopes": ["mail"]})["api_key"]
        tokens["narrowed"] = post("token", "nobody", {"api_key": narrowed})["access_token"]
        grant = post("grants", "auditor", {"email": emails[0], "reason": "to see what is true"})["grant_id"]
        tokens["grant"] = post(f"grants/{grant}/token", "auditor")["access_token"]
        return {**tokens, "nobody": None}


def _run(cluster: Running, role: str, folder: Path, phases: str, *options: str) -> str:
    bearer = cluster.tokens[role]
    (folder / "schemathesis.toml").write_text(CONFIG)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{cluster.address}/openapi.json"),
            *(("--header", f"Authorization: Bearer {bearer}") if bearer else ()),
            *("--checks", "all", "--seed", "1", "--workers", "1", "--phases", phases),
            *("--suppress-health-check", "all", *options),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=560,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2_000:]
    return run.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_description_is_true_whatever_is_sent(cluster: Running, tmp_path: Path) -> None:
    examples = ("--max-examples", "3" if IN_CI else "20")
    told = _run(cluster, FIRST, tmp_path, "coverage,fuzzing,stateful", *examples, "--exclude-path-regex", ENDING)

    assert "Stateful" in told and "API Links" in told, told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", OTHERS)
def test_the_description_is_true_for_everybody(cluster: Running, role: str, tmp_path: Path) -> None:
    phases, examples = ("fuzzing,stateful", "2") if IN_CI else ("coverage,fuzzing,stateful", "6")
    few = ("--mode", "positive", "--max-examples", examples)
    told = _run(cluster, role, tmp_path, phases, *few, "--exclude-path-regex", ENDING)

    assert "Stateful" in told and "API Links" in told, told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", (FIRST, *OTHERS))
def test_signing_out_is_as_described_for_everybody(cluster: Running, role: str, tmp_path: Path) -> None:
    told = _run(cluster, role, tmp_path, "coverage", "--max-examples", "12", "--include-path-regex", ENDING)

    assert " 2 selected" in told, told
