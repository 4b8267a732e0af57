"""Mail that hangs the parser or eats its memory, in a real cluster: stored and listed, and everything else goes on."""

import os
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import demo, environment
from tests.e2e.test_demo import get

PLANTED = Path(__file__).parents[1] / "hostile" / "planted"
HEAD = "From: Ann <ann@example.com>\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{0}@example.com>\r\n"
#: The simulator puts some mail into Spam and Trash.
EVERYWHERE = {"include_spam_trash": "true"}
CODES = {"hang": "parser-timeout", "eater": "parser-memory", "crash": "parser-crashed"}


def planted_mail(folder: Path) -> dict[str, bytes]:
    """150 good messages, one that hangs, one that eats memory, one that ends the process: by subject."""
    folder.mkdir()
    bodies = {f"good {number:03}": f"The weather, part {number}." for number in range(150)}
    bodies |= {f"bad {name}": f"planted-{name}" for name in CODES}
    mail = {}
    for name, body in bodies.items():
        head = HEAD.format(name.replace(" ", "-")) + "To: bob@example.com\r\n"
        mail[name] = f"{head}Subject: {name}\r\n\r\n{body}\r\n".encode()
        (folder / f"{name.replace(' ', '-')}.eml").write_bytes(mail[name])
    return mail


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_planted_faults_cost_only_their_own_content(home: Path, tmp_path: Path) -> None:
    mail = planted_mail(tmp_path / "mail")
    env = environment(
        home,
        PYTHONPATH=os.pathsep.join(filter(None, (str(PLANTED), os.environ.get("PYTHONPATH")))),
        GBM_SHARDS__PARSING__MEMORY_BYTES=str(512 << 20),
    )
    with demo("--mail", str(tmp_path / "mail"), env=env, home=home) as running:
        summary = running.summary()
        assert summary["seconds"] < 200, "a hang is not found by the deadline of its task, which is 300 s"
        assert len(get(f"{summary['gmail']}/_sim/users/{summary['mailboxes'][0]}/messages")) == len(mail)
        assert summary["messages"] == len(mail), running.notes()
        assert summary["defective"] == len(CODES)
        assert {row["subject"]: row["defects"] for row in summary["defects"]} == {
            f"bad {name}": [code] for name, code in CODES.items()
        }
        with httpx.Client(base_url=f"http://127.0.0.1:{env['GBM_SERVE__PORT']}", timeout=60) as client:
            granted = client.post("/api/v1/auth/token", json={"api_key": summary["api_key"]}).json()
            client.headers["Authorization"] = f"Bearer {granted['access_token']}"
            good = client.get("/api/v1/emails", params={"q": "weather", "limit": 500, **EVERYWHERE}).json()["items"]
            assert len(good) == 150
            for name, code in CODES.items():
                _is_listed_and_downloadable(client, f"bad {name}", code, mail[f"bad {name}"])
        assert running.interrupt() == 0


def _is_listed_and_downloadable(client: httpx.Client, subject: str, code: str, raw: bytes) -> None:
    [item] = client.get("/api/v1/emails", params={"q": f'subject:"{subject}"', **EVERYWHERE}).json()["items"]
    path = f"/api/v1/emails/{item['id']}"
    shown = client.get(path).json()
    assert (shown["subject"], shown["defects"], shown["text"]) == (subject, [code], "")
    assert client.get(f"{path}/raw").content == raw
    assert client.get(f"{path}/html").status_code == 422
