"""serve/http/sse.py"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from serve.http.errors import RateLimited
from serve.http.sse import Streams


class State(BaseModel):
    number: int


class Thing:
    """Something that changes when told; counts the looks at it."""

    def __init__(self) -> None:
        self.number, self.looks = 0, 0

    async def look(self) -> State:
        self.looks += 1
        await asyncio.sleep(0)
        return State(number=self.number)


def _streams(most: int = 4, most_each: int = 2, every_s: float = 0.01, heartbeat_s: float = 60.0) -> Streams:
    return Streams(most, most_each, every_s, heartbeat_s)


def _open(streams: Streams, thing: Thing, caller: int = 1, seen: str | None = None) -> AsyncIterator[str]:
    def over(state: BaseModel) -> bool:
        return isinstance(state, State) and state.number == 9

    answer = streams.response(caller, "thing", thing.look, over, seen)
    assert isinstance(answer, StreamingResponse)
    assert answer.media_type == "text/event-stream"

    async def texts() -> AsyncIterator[str]:
        async with aclosing(answer.body_iterator) as parts:  # type: ignore[type-var]
            async for part in parts:
                yield part.decode() if isinstance(part, bytes) else str(part)

    return texts()


def _id(event: str) -> str:
    return event.split("\n")[0].removeprefix("id: ")


async def test_every_change_is_sent_once_until_the_state_is_final() -> None:
    thing, told = Thing(), []
    async for event in _open(_streams(), thing):
        told.append(event)
        thing.number += 3

    assert [event.split("data: ")[1].strip() for event in told] == [
        '{"number":0}',
        '{"number":3}',
        '{"number":6}',
        '{"number":9}',
        "{}",
    ]
    assert "event: end" in told[-1]


async def test_a_reconnecting_client_receives_only_changes() -> None:
    thing, streams = Thing(), _streams()
    first = _open(streams, thing)
    event = await anext(first)
    await first.aclose()  # type: ignore[attr-defined]

    again = _open(streams, thing, seen=_id(event))
    waiting = asyncio.ensure_future(anext(again))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    thing.number = 1
    assert '{"number":1}' in await waiting
    await again.aclose()  # type: ignore[attr-defined]


async def test_silence_is_broken_by_a_sign_of_life() -> None:
    stream = _open(_streams(heartbeat_s=0.01), Thing())
    assert "data" in await anext(stream)
    assert (await anext(stream)).startswith(":")
    await stream.aclose()  # type: ignore[attr-defined]


async def test_streams_of_one_thing_share_their_looks() -> None:
    thing, streams = Thing(), _streams(every_s=30)
    opened = [_open(streams, thing, caller) for caller in (1, 2, 3)]
    await asyncio.gather(*(anext(stream) for stream in opened))
    assert thing.looks == 1
    for stream in opened:
        await stream.aclose()  # type: ignore[attr-defined]


async def test_open_streams_are_limited_and_an_ended_stream_frees_its_slot() -> None:
    streams = _streams(most=3, most_each=2)
    opened = [_open(streams, Thing(), caller) for caller in (1, 1)]
    for stream in opened:
        await anext(stream)
    with pytest.raises(RateLimited):
        _open(streams, Thing(), 1)
    other = _open(streams, Thing(), 2)
    await anext(other)
    with pytest.raises(RateLimited):
        _open(streams, Thing(), 3)
    await opened[0].aclose()  # type: ignore[attr-defined]
    last = _open(streams, Thing(), 1)
    await anext(last)
    for stream in (opened[1], other, last):
        await stream.aclose()  # type: ignore[attr-defined]
