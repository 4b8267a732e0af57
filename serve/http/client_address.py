"""The client's address, which identifies a caller before authentication.

The proxy in front of the replicas (cluster/haproxy.py) sends the address of the connection and a secret that it shares
with the replicas, and overwrites these headers if a client sends them. Behind the proxy, replicas refuse requests
without the secret; without a proxy, they ignore these headers. `trusted_proxies` names further proxies in front of that
one: the client is then the last address in their X-Forwarded-For header that is not a trusted proxy.
"""

import hmac
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.http import problems

#: Headers set by our proxy: address of the connection, X-Forwarded-For of a trusted proxy, shared secret.
PEER, FORWARDED, PROOF = "x-gbm-peer", "x-gbm-forwarded-for", "x-gbm-proxy"
_MOST_HOPS = 20


class OnlyProxy:
    """Answers 403 to requests that bypass our proxy, before the request is examined further."""

    def __init__(self, app: ASGIApp, proof: str | None) -> None:
        """`proof`: shared secret of the proxy; None: no proxy, and its headers are ignored."""
        self._app, self._proof = app, proof.encode() if proof is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._proof is not None:
            shown = [value for name, value in scope["headers"] if name == PROOF.encode()]
            if len(shown) != 1 or not hmac.compare_digest(shown[0], self._proof):
                await problems.of_status(scope, 403)(scope, receive, send)
                return
            scope["headers"] = [header for header in scope["headers"] if header[0] != PROOF.encode()]
            scope["state"]["proxied"] = True
        await self._app(scope, receive, send)


class Addresses:
    """Determines the client address of requests."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        """`trusted_proxies`: networks, such as 10.0.0.0/8."""
        self._trusted = [ip_network(network) for network in trusted_proxies]

    def of(self, scope: Scope) -> str:
        """The client's address; for IPv6, its /64 network, because a client usually has a whole one."""
        headers = Headers(scope=scope)
        peer = _parsed(scope["client"][0]) if scope.get("client") else None
        if not scope.get("state", {}).get("proxied"):
            return "unknown" if peer is None else _client(peer)
        peer = _parsed(headers.get(PEER, "")) or peer
        if peer is not None and self._trusts(peer):
            for text in reversed(headers.get(FORWARDED, "").split(",")[-_MOST_HOPS:]):
                if (hop := _parsed(text)) is None:
                    break
                peer = hop
                if not self._trusts(hop):
                    break
        return "unknown" if peer is None else _client(peer)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _client(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
