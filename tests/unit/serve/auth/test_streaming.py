"""serve/auth/authorization.py: a stream ends with the token that opened it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from serve.auth.authentication import TokenInvalid
from serve.auth.authorization import AccessControl
from serve.auth.policies import permits
from serve.config import ServeConfig
from serve.gateway import application
from tests.unit.serve.fakes import client

SOON = 0.05


class Tokens:
    """One token, good until it is revoked."""

    def __init__(self, expires_in: float) -> None:
        import time

        self.claims = {
            "sub": "1",
            "email": "ann@example.com",
            "role": "owner",
            "shard": 0,
            "exp": time.time() + expires_in,
        }
        self.revoked = False

    async def __call__(self, token: str) -> dict[str, object]:
        if self.revoked:
            raise TokenInvalid("revoked")
        return self.claims


def _endless(revoke_after: int, tokens: Tokens) -> APIRouter:
    router = APIRouter()

    @router.get("/stream")
    @permits(streaming=True)
    async def stream() -> StreamingResponse:
        async def events() -> AsyncIterator[bytes]:
            for number in range(10_000):
                tokens.revoked = tokens.revoked or number == revoke_after
                yield b"."
                await asyncio.sleep(0.001)

        return StreamingResponse(events(), media_type="text/event-stream")

    return router


@pytest.mark.parametrize(("expires_in", "revoke_after"), [(0.3, 10_001), (900.0, 5)])
async def test_a_stream_ends_with_its_token(expires_in: float, revoke_after: int) -> None:
    tokens = Tokens(expires_in)
    app = application("things", [_endless(revoke_after, tokens)], ServeConfig(), AccessControl(tokens, look_s=SOON))
    async with client(app) as http, asyncio.timeout(8):
        answer = await http.get("/stream", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 200
    assert 0 < len(answer.content) < 10_000
