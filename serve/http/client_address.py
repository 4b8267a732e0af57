"""Whose request it is before anybody has signed in: the client's address.

The proxy in front of the replicas tells the address that it saw in a header of its own, which it sets over whatever a
client sends (cluster/haproxy.py), and which counts only when the peer is this machine. Proxies that an operator puts
in front of that one are named in `trusted_proxies`; of what X-Forwarded-For says, the last address that is not one of
them counts.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

HEADER = "x-gbm-peer"
_MOST_HOPS = 20


class Addresses:
    """Finds out a request's client."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        """`trusted_proxies`: networks, such as 10.0.0.0/8."""
        self._trusted = [ip_network(network) for network in trusted_proxies]

    def of(self, scope: Scope) -> str:
        """The client's address; of IPv6 the network of 64 bits, which one client has to itself."""
        headers = Headers(scope=scope)
        peer = _parsed(scope["client"][0]) if scope.get("client") else None
        if peer is not None and peer.is_loopback and HEADER in headers:
            peer = _parsed(headers[HEADER]) or peer
        if peer is not None and self._trusts(peer):
            for text in reversed(headers.get("x-forwarded-for", "").split(",")[-_MOST_HOPS:]):
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
