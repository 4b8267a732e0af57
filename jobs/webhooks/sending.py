"""Sends one request to a webhook: to public addresses only, without redirects, to the address that was checked.

The host's name is resolved once; every address must be public, and libcurl is told to connect to those alone
(CURLOPT_RESOLVE), so a name that resolves differently a moment later (DNS rebinding) is not connected to. Blocking.
"""

import email.utils
import io
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import certifi
import pycurl

from storage.errors import BackupError
from storage.version import VERSION

#: Bytes of a response that are read. Nothing of it is used.
_MOST_BYTES = 4096
_LONGEST_URL = 2000
_HOST = re.compile(r"[A-Za-z0-9._:-]*")
_LONGEST_WAIT_S = 86_400.0


class WebhookUrlRefused(BackupError):
    """Nothing is delivered to this URL. Use an https URL of a public server."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Nothing is delivered to this URL, because {self.reason}: use an https URL of a public server."


@dataclass(frozen=True, slots=True)
class Answer:
    """status: None: no response. error: "" if it was delivered. wait_s: what Retry-After asks for."""

    status: int | None
    error: str
    wait_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def require_url(url: str, allow_private: bool) -> tuple[str, int]:
    """Host and port of a usable URL. Resolves nothing.

    Raises:
        WebhookUrlRefused.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise WebhookUrlRefused("it cannot be read") from exc
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookUrlRefused("it is too long, or has characters that are not printable ASCII")
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise WebhookUrlRefused("it does not begin with https://")
    if not _HOST.fullmatch(host):  # curl decodes others, and would resolve another name than was checked
        raise WebhookUrlRefused("its host has characters other than letters, digits, dots, hyphens and colons")
    if not host or parts.username is not None or parts.password is not None:
        raise WebhookUrlRefused("it has no host, or a user name")
    try:
        if not allow_private and not is_public(host):
            raise WebhookUrlRefused("its address is not public")
    except ValueError:  # a name, which is resolved when something is sent
        if not allow_private and (host == "localhost" or host.endswith(".localhost")):
            raise WebhookUrlRefused("its address is not public") from None
    return host, port or (443 if parts.scheme == "https" else 80)


def is_public(address: str) -> bool:
    """Whether an address may belong to a public server. IPv4 addresses within IPv6 ones count as themselves.

    Raises:
        ValueError: not an IP address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local:
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def post(
    url: str,
    headers: Sequence[str],
    body: bytes,
    timeout_s: float,
    allow_private: bool = False,
    resolver: Resolve = resolve,
) -> Answer:
    """POST a body. Never raises for what the receiver or the network does.

    Args:
        headers: "name: value".
        allow_private: also http, private and loopback addresses.
    """
    try:
        host, port = require_url(url, allow_private)
        addresses = resolver(host, port)
    except WebhookUrlRefused as exc:
        return Answer(None, str(exc))
    except OSError:
        return Answer(None, "The host's name cannot be resolved.")
    if not addresses or not (allow_private or all(map(is_public, addresses))):
        return Answer(None, str(WebhookUrlRefused("its address is not public")))
    pinned = ",".join(f"[{address}]" if ":" in address else address for address in addresses)
    received, lines = io.BytesIO(), list[bytes]()

    def write(data: bytes) -> int:
        left = _MOST_BYTES - received.tell()
        received.write(data[: max(left, 0)])
        return len(data) if len(data) <= left else 0  # ends the transfer

    curl = pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.RESOLVE, [f"{host}:{port}:{pinned}"])
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS | (pycurl.PROTO_HTTP if allow_private else 0))
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(min(timeout_s, 5.0) * 1000))
        curl.setopt(pycurl.TIMEOUT_MS, int(timeout_s * 1000))
        curl.setopt(pycurl.CAINFO, certifi.where())
        curl.setopt(pycurl.USERAGENT, f"gmail-backup-manager/{VERSION}")
        curl.setopt(pycurl.HTTPHEADER, [*headers, "Content-Type: application/json", "Expect:"])
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.HEADERFUNCTION, lambda line: lines.append(line[:1000]) if len(lines) < 100 else None)
        curl.setopt(pycurl.WRITEFUNCTION, write)
        try:
            curl.perform()
        except pycurl.error as exc:
            status = int(curl.getinfo(pycurl.RESPONSE_CODE))
            if exc.args[0] != pycurl.E_WRITE_ERROR or not status:
                return Answer(None, f"The request failed: {str(exc.args[1])[:200]}.")
        status = int(curl.getinfo(pycurl.RESPONSE_CODE))
    finally:
        curl.close()
    error = "" if 200 <= status < 300 else f"The receiver responded with HTTP {status}."
    return Answer(status, error, _retry_after(lines))


def _retry_after(lines: Sequence[bytes]) -> float | None:
    """Seconds that the last Retry-After asks for, as a number or a date; at most a day."""
    wait_s = None
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() != "retry-after":
            continue
        text = value.strip()
        if text.isascii() and text.isdigit():
            wait_s = float(text[:9])
        else:
            try:
                at = email.utils.parsedate_to_datetime(text)
                wait_s = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
            except (ValueError, OverflowError):
                continue
    return None if wait_s is None else min(max(wait_s, 0.0), _LONGEST_WAIT_S)
