"""Hardens the configuration that Ray Serve writes for HAProxy, then becomes HAProxy. Run as a program by a script.

    python -I -S haproxy_config.py RULES.json BINARY [arguments of HAProxy ...]

Serve's template listens on all interfaces, has no timeout for a request's head or body, forwards any header and falls
back to a fixed port, and none of it is configurable. Standard library only, because HAProxy restarts whenever replicas
change.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Headers by which clients claim an address, a host or a scheme, or address Serve itself: prefixes and names.
_PREFIXES = ("x-forwarded-", "x-serve-", "serve_", "serve-")
_NAMES = ("forwarded", "x-real-ip", "x-client-ip", "x-original-forwarded-for", "x-cluster-client-ip", "true-client-ip")
_SERVE_NAMES = ("x-request-timeout-seconds", "x-request-disconnect-disabled", "x-session-id", "client-ip")
_TOO_MANY = json.dumps('{"type":"about:blank","title":"Too many requests","status":429,"code":"rate_limited"}')
#: The first line of a configuration that is hardened already.
_MARK = "# hardened"
#: The project's only variable that HAProxy keeps: cluster/orphan_processes.py's MARK. This file imports no package.
_KEPT = "GBM_PROCESS_OF"
_BIND = re.compile(r"^(\s*bind\s+)\S*?:(\d+)\s*$")
_SERVER = re.compile(r"^\s*server\s+\S+\s+\S+:\d+ ")


@dataclass(frozen=True)
class Rules:
    """Rules for HAProxy. Times are seconds."""

    host: str
    port: int
    proof: str
    proof_header: str
    peer_header: str
    forwarded_header: str
    trusted: tuple[str, ...] = ()
    connections: int = 2048
    connections_per_address: int = 64
    requests_each_per_10_s: int = 1000
    request_s: int = 10
    idle_s: int = 30
    answer_s: int = 90
    #: The certificate of the replicas, and the name in it; "": they speak plain HTTP.
    ca_file: str = ""
    replica_name: str = ""


def harden(text: str, rules: Rules) -> str:
    """Harden Serve's configuration by the rules.

    Raises:
        ValueError: the template lacks a part that must be replaced: the Ray version is unknown.
    """
    if text.startswith(_MARK):
        return text
    lines, section, done = [_MARK], "", set()
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            section = line.split("#")[0].strip()
            done.add(section)
            lines.append(line)
            lines += [f"    {rule}" for rule in _first(section, rules)]
            continue
        lines += _line(line, section, rules)
    if missing := {"global", "defaults", "frontend http_frontend", "listen stats"} - done:
        raise ValueError(f"Serve's HAProxy configuration has no {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"


def _line(line: str, section: str, rules: Rules) -> list[str]:
    """The replacement of a line."""
    stripped = line.strip()
    if bind := _BIND.match(line):
        if section == "frontend http_frontend":
            return [f"{bind[1]}{_address(rules)}"]
        return [f"{bind[1]}127.0.0.1:{bind[2]}"]
    if stripped.startswith("stats socket "):
        return [line.replace("mode 666", "mode 600")]
    if section == "global" and stripped.startswith("maxconn "):
        return [f"    maxconn {rules.connections}"]
    if section == "defaults" and stripped.startswith(("timeout client ", "timeout http-keep-alive ")):
        return []
    if _SERVER.match(line):
        # The fallback is a fixed port of the machine, which another process may hold.
        if stripped.endswith(" backup"):
            return []
        return [line.rstrip() + _verified(rules)] if rules.ca_file else [line]
    return [line]


def _first(section: str, rules: Rules) -> Iterator[str]:
    """The rules at the beginning of a section."""
    if section == "defaults":
        yield f"timeout http-request {rules.request_s}s"
        yield f"timeout http-keep-alive {rules.idle_s}s"
        yield f"timeout client {rules.idle_s}s"
        yield f"timeout queue {rules.idle_s}s"
        yield f"timeout server {rules.answer_s}s"
        yield f"timeout tunnel {rules.answer_s}s"
    elif section == "frontend http_frontend":
        yield from _frontend(rules)
    elif section == "listen stats" or section == "frontend prometheus":
        yield "maxconn 16"


def _frontend(rules: Rules) -> Iterator[str]:
    yield "option http-buffer-request"
    yield "option http-ignore-probes"
    # Else a client says HTTP/2 on a plain connection, and has a hundred requests on each of those that are counted.
    yield "option disable-h2-upgrade"
    trusted = " ".join(rules.trusted)
    if trusted:
        yield f"acl from_trusted src {trusted}"
    unless = " unless from_trusted" if trusted else ""
    # IPv6: a client has the 64 bits below its network to itself.
    yield "stick-table type ipv6 size 100k expire 60s store conn_cur,http_req_rate(10s)"
    yield f"tcp-request connection track-sc0 src,ipmask(32,64){unless}"
    yield f"tcp-request connection reject if {{ sc0_conn_cur gt {rules.connections_per_address} }}"
    yield (
        f"http-request return status 429 content-type application/problem+json string {_TOO_MANY} "
        f"hdr Retry-After 10 if {{ sc0_http_req_rate gt {rules.requests_each_per_10_s} }}"
    )
    if trusted:
        yield 'http-request set-var(txn.gbm_forwarded) "req.fhdr(x-forwarded-for)" if from_trusted'
    for prefix in _PREFIXES:
        yield f"http-request del-header {prefix} -m beg"
    ours = (rules.proof_header, rules.peer_header, rules.forwarded_header)
    for name in (*_NAMES, *_SERVE_NAMES, *ours):
        yield f"http-request del-header {name}"
    yield f"http-request set-header {rules.peer_header} %[src]"
    yield f"http-request set-header {rules.proof_header} {rules.proof}"
    if trusted:
        header, forwarded = rules.forwarded_header, "var(txn.gbm_forwarded)"
        yield f"http-request set-header {header} %[{forwarded}] if {{ {forwarded} -m found }}"


def _address(rules: Rules) -> str:
    if rules.host in ("::", "*"):
        return f"[::]:{rules.port} v4v6"
    return f"[{rules.host}]:{rules.port}" if ":" in rules.host else f"{rules.host}:{rules.port}"


def _verified(rules: Rules) -> str:
    name = rules.replica_name
    return f" ssl verify required ca-file {rules.ca_file} verifyhost {name} sni str({name})"


def read(path: Path) -> Rules:
    """Read the rules from a file."""
    document = json.loads(path.read_text())
    return Rules(**{**document, "trusted": tuple(document["trusted"])})


def main(arguments: Sequence[str]) -> None:
    """Harden each configuration that is named, in place (Serve knows its HAProxy by the path), then execute HAProxy."""
    rules, binary, rest = read(Path(arguments[0])), arguments[1], arguments[2:]
    for argument in rest:
        path = Path(argument)
        if path.suffix == ".cfg":
            path.chmod(0o600)
            path.write_text(harden(path.read_text(), rules))
    # The only process that strangers reach needs none of the project's settings, some of which are secrets.
    environment = {
        name: value for name, value in os.environ.items() if name == _KEPT or not name.upper().startswith("GBM_")
    }
    os.execve(binary, [binary, *rest], environment)  # noqa: S606 - the binary that ships with Ray


if __name__ == "__main__":
    main(sys.argv[1:])
