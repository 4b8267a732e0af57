"""A gateway with real stores whose revocations and audit take effect at once, and what its tests ask of it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from actors.rate_limits import Rate, RatesConfig
from serve.assembly import Assembly
from serve.config import ServeConfig, TokenConfig
from serve.settings import Settings
from storage.db.audit import Audit, Entry
from tests.integration.serve.conftest import Archive, RecordingOwners

AUTH = "/api/v1/auth"
QUICK = TokenConfig(revocations_s=0.01, audit_s=0.01)
RATES = RatesConfig(login=Rate(per_s=100, burst=1000))


@asynccontextmanager
async def gateway(
    archive: Archive, config: ServeConfig | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Assembly]]:
    """A client of the applications as the proxy has them."""
    assembly = Assembly(Settings(archive.backup, config or ServeConfig(rates=RATES, tokens=QUICK)), RecordingOwners())
    transport = httpx.ASGITransport(assembly.together())
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway") as client:
        yield client, assembly
    assembly.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def audited(archive: Archive, action: str, **detail: object) -> list[Entry]:
    """The entries of an action, once there is one with this detail."""
    log = Audit(archive.databases.control)
    async with asyncio.timeout(10):
        while True:
            found = log.newest(2**62, 500, action)
            if any(detail.items() <= entry.detail.items() for entry in found):
                return found
            await asyncio.sleep(0.01)


async def until(client: httpx.AsyncClient, path: str, headers: dict[str, str], status: int) -> httpx.Response:
    """The answer, once it has this status."""
    async with asyncio.timeout(10):
        while (answer := await client.get(path, headers=headers)).status_code != status:
            await asyncio.sleep(0.01)
    return answer


def part(token: str, number: int) -> bytes:
    """A part of a token, decoded."""
    encoded = token.split(".")[number]
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
