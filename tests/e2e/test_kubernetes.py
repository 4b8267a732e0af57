"""The RayService of k8s/ on a Ray of four nodes on this machine: its applications run, and a mailbox is backed up."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.haproxy import REPLICA_NAME
from cluster.kubernetes import node, render
from cluster.settings import load_variables
from cluster.simulator.process import start_simulator
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from tests.conftest import memory_home
from tests.e2e.processes import free_port, gbm
from tests.e2e.test_demo import get

pytestmark = [pytest.mark.slow, pytest.mark.unproven, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Nodes:
    """A running Ray of several nodes. service: the RayService as adapted to this machine."""

    env: dict[str, str]
    dashboard: str
    api: str
    service: dict[str, Any]
    folder: Path

    def serve(self, config: dict[str, Any]) -> None:
        """PUT a Serve configuration to the dashboard, as KubeRay does."""
        self._ask("/api/serve/applications/", config)

    def applications(self) -> dict[str, Any]:
        """State of the Serve applications by name."""
        answer: dict[str, Any] = self._ask("/api/serve/applications/")["applications"]
        return answer

    def config(self) -> dict[str, Any]:
        """The RayService's serveConfigV2."""
        config: dict[str, Any] = yaml.safe_load(self.service["spec"]["serveConfigV2"])
        return config

    def until(self, status: str, seconds: float = 240.0) -> dict[str, Any]:
        """Wait until every application has a status."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.applications()
            if found and all(each["status"] == status for each in found.values()):
                return found
            said = {name: (each["status"], each["message"][-1500:]) for name, each in found.items()}
            assert time.monotonic() < deadline, said
            time.sleep(0.5)

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.env['RAY_AUTH_TOKEN']}", "Content-Type": "application/json"}
        method = "GET" if body is None else "PUT"
        request = urllib.request.Request(self.dashboard + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            text = response.read()
        return json.loads(text) if text else None


@pytest.fixture(scope="module")
def gmail() -> Iterator[str]:
    with start_simulator(["--generate=150", "--users=2", "--quota-profile=unlimited"]) as url:
        yield url


@pytest.fixture(scope="module")
def nodes(gmail: str) -> Iterator[Nodes]:
    """The production overlay's RayService with ports, folders and databases of this machine."""
    folder = memory_home()
    with ExitStack() as stack:
        config = EmbeddedConfig(shared_buffers="64MB", settings={"fsync": "off", "max_connections": "200"})
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres", config))
        service = next(
            each for each in render.overlay(render.default_folder(), "production") if each["kind"] == "RayService"
        )
        env = _environment(folder, server, gmail)
        done = gbm("db", "upgrade", env=env)
        assert done.returncode == 0, done.stderr
        done = gbm("k8s", "prepare-node", env=env)
        assert done.returncode == 0, done.stderr
        serve = yaml.safe_load(service["spec"]["serveConfigV2"])
        port, tls = int(env["GBM_SERVE__PORT"]), folder / "tls"
        serve["http_options"] |= {"host": "127.0.0.1", "port": port}
        serve["http_options"] |= {"ssl_certfile": str(tls / "tls.crt"), "ssl_keyfile": str(tls / "tls.key")}
        service["spec"]["serveConfigV2"] = yaml.safe_dump(serve)
        dashboard = stack.enter_context(_ray(folder, service, env))
        yield Nodes(env, dashboard, f"http://127.0.0.1:{port}", service, folder)


def _environment(folder: Path, server: EmbeddedPostgres, gmail: str) -> dict[str, str]:
    """The variables of the RayService's pods, with this machine's values for what is in the cluster."""
    manifests = render.overlay(render.default_folder(), "production")
    [head] = [each for each in render.containers(manifests) if each.name.endswith(" ray-head")]
    dashboard = free_port()
    tls = folder / "tls"
    tls.mkdir(mode=0o700)
    _certify(tls)
    ours = {
        "GBM_HOME": str(folder / "home"),
        "GBM_CLUSTER": "gmail-backup-test",
        "GBM_ARCHIVE__URI": (folder / "archive").as_uri(),
        "GBM_ARCHIVE__INDEX_CACHE": str(folder / "words"),
        "GBM_ARCHIVE__SEGMENT_MESSAGES": "40",
        "GBM_ANALYSIS__ENABLED": "false",
        # Short: Serve puts a node's id of 56 characters and a socket's name below it.
        "GBM_JOIN__FOLDER": tempfile.mkdtemp(prefix="gbm-"),
        "GBM_JOIN__DASHBOARD": f"http://127.0.0.1:{dashboard}",
        "GBM_JOIN__PROOF": secrets.token_hex(32),
        "GBM_JOIN__CERTIFICATE": str(tls / "tls.crt"),
        "GBM_JOIN__KEY": str(tls / "tls.key"),
        "GBM_JOIN__AUTHORITY": str(tls / "ca.crt"),
        "GBM_SERVE__HOST": "127.0.0.1",
        "GBM_SERVE__PORT": str(free_port()),
        "GBM_SERVE__SCALE__MIN_REPLICAS": "1",
        "GBM_SERVE__SCALE__DRAIN_S": "5",
        "GBM_SHARDS__COUNT": "2",
        "GBM_SEALING__KEY": b64encode(secrets.token_bytes(32)).decode(),
        "GBM_POSTGRES__CONTROL_DSN": server.dsn("control"),
        "GBM_POSTGRES__SHARD_DSNS": json.dumps([server.dsn("shard0"), server.dsn("shard1")]),
        "GBM_POSTGRES__CONTROL_REPLICA_DSNS": "[]",
        "GBM_POSTGRES__SHARD_REPLICA_DSNS": "[]",
        "GBM_GMAIL__ENDPOINT": gmail,
        "GBM_GMAIL__TOKEN_URI": f"{gmail}/token",
    }
    variables = {**head.variables, **ours}
    join = load_variables({name: value for name, value in variables.items() if name.startswith("GBM_")}).join
    ports = {
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GBM_", "RAY_"))}
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_TMPDIR": str(folder)}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {**kept, **variables, **node.environment(join), **ports, **loopback, **token}


def _certify(folder: Path) -> None:
    """What cert-manager makes: a key, its certificate for the replicas' name, and the authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)

    def certificate(name: str, key: Any, issuer: str, issuer_key: Any, is_authority: bool) -> x509.Certificate:
        builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
        builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.public_key(key.public_key()).sign(issuer_key, hashes.SHA256())

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    root = certificate("authority", authority, "authority", authority, True)
    leaf = certificate(REPLICA_NAME, key, "authority", authority, False)
    (folder / "ca.crt").write_bytes(root.public_bytes(pem))
    (folder / "tls.crt").write_bytes(leaf.public_bytes(pem))
    (folder / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


@contextmanager
def _ray(folder: Path, service: dict[str, Any], env: dict[str, str]) -> Iterator[str]:
    """The nodes of a RayService; gives the dashboard's URL."""
    path = folder / "rayservice.yaml"
    path.write_text(yaml.safe_dump(service))
    port = env["GBM_JOIN__DASHBOARD"].rpartition(":")[2]
    with (folder / "nodes.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.ray_nodes", str(path), port],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "nodes.log").read_text()[-3000:]
            found = json.loads(line)
            env["GBM_JOIN__ADDRESS"] = found["address"]  # `auto` could mean another cluster of this machine
            yield str(found["dashboard"])
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def test_the_rayservice_serves_and_backs_a_mailbox_up(nodes: Nodes, gmail: str, tmp_path: Path) -> None:
    nodes.serve(nodes.config())
    found = nodes.until("RUNNING")

    assert set(found) == {"auth", "emails", "sync", "analytics", "push", "gateway", "supervisor"}
    assert get(f"{nodes.api}/ready")["status"] in ("ready", "ok")
    user = get(f"{gmail}/_sim/users")[0]
    grant = tmp_path / "grant.json"
    grant.write_text(json.dumps(get(f"{gmail}/_sim/users/{user['email']}/authorized-user")))
    added = gbm("accounts", "add", user["email"], "--authorized-user", str(grant), env=nodes.env)
    assert added.returncode == 0, added.stderr
    done = gbm("backfill", user["email"], "--wait", "--json", env=nodes.env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] == user["messages"]
