"""The work of shards as Ray tasks."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import ray
from pydantic import SecretStr
from ray.exceptions import RayError

from actors.config import BackupConfig
from actors.remote.placement import Placement
from actors.work import WorkLost
from jobs import tasks
from jobs.gmail.records import HistoryPage, Label, MessagePage, Profile, Watching
from jobs.gmail.sealed_token import SealedToken, seal
from jobs.intake import Confirmation, FetchReceipt
from jobs.reanalysis import Analysers
from storage.errors import BackupError
from storage.files import file_format
from storage.model.records import AnalysisManifest, Merged, SegmentManifest

_LOG = logging.getLogger(__name__)

#: Errors of a task after which its arguments are still in the object store: it raised, or its worker alone died.
_ARGUMENTS_SURVIVE = (
    ray.exceptions.RayTaskError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.TaskCancelledError,
)

#: CPU seconds of this process's tasks by stage, and their numbers (`tasks:STAGE`), for `gbm bench`.
SPENT: Counter[str] = Counter()


class RayWork:
    """`actors.work.Work` done by Ray tasks; a reference is an object reference."""

    def __init__(self, config: BackupConfig, analysers: Analysers | None = None) -> None:
        self._gmail, self._archive = ray.put(config.gmail), ray.put(config.archive)
        self._task_s, self._merge_s = config.shard.task_timeout_s, config.shard.merge_timeout_s
        self._parsing, self._keys, self._sealer = config.shard.parsing, config.key_place, config.sealer()
        self.analysers = analysers
        self._placement = Placement()

    async def pin(self, token: SecretStr) -> tuple[Profile, list[Label]]:
        answer: tuple[Profile, list[Label]] = await self._answer(tasks.pin.remote(self._gmail, self._sealed(token)))
        return answer

    async def list_page(self, token: SecretStr, page_token: str | None, label_id: str | None) -> MessagePage:
        answer: MessagePage = await self._answer(
            tasks.list_page.remote(self._gmail, self._sealed(token), page_token, label_id)
        )
        return answer

    async def confirm(self, token: SecretStr, since: int, label_id: str | None) -> Confirmation:
        answer: Confirmation = await self._answer(
            tasks.confirm.remote(self._gmail, self._sealed(token), since, label_id)
        )
        return answer

    async def labels(self, token: SecretStr) -> list[Label]:
        answer: list[Label] = await self._answer(tasks.labels.remote(self._gmail, self._sealed(token)))
        return answer

    async def watch(self, token: SecretStr, topic: str) -> Watching:
        answer: Watching = await self._answer(tasks.watch.remote(self._gmail, self._sealed(token), topic))
        return answer

    async def history(self, token: SecretStr, start: int, page_token: str | None) -> HistoryPage:
        answer: HistoryPage = await self._answer(
            tasks.history.remote(self._gmail, self._sealed(token), start, page_token)
        )
        return answer

    async def fetch(self, token: SecretStr, user_id: int, message_ids: Sequence[int]) -> tuple[FetchReceipt, object]:
        receipt, mail = tasks.fetch.remote(self._gmail, self._archive, self._sealed(token), user_id, message_ids)
        return await self._answer(receipt), mail

    async def write_segment(
        self,
        shard_id: int,
        epoch: int,
        references: Sequence[object],
        skip: frozenset[tuple[int, int]],
        isolated: bool = False,
    ) -> tuple[SegmentManifest | None, object]:
        formats = file_format.agreed()
        manifest, index = tasks.write_segment.remote(
            self._archive, formats, shard_id, epoch, skip, self.analysers, self._parsing, isolated, *references
        )
        # In a child, each bad message takes its whole time limit before the next one is parsed.
        return await self._within(manifest, self._merge_s if isolated else self._task_s), index

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        merged, moved = tasks.compact.remote(self._archive, file_format.agreed(), shard_id, epoch, segments)
        return await answer_of(merged, self._merge_s), moved

    async def analyse(self, epoch: int, segment: str, old: str | None, names: Sequence[str]) -> AnalysisManifest:
        assert self.analysers is not None, "nobody names analysers that there are not"
        task = tasks.analyse.remote(
            self._archive, file_format.agreed(), segment, epoch, old, names, self.analysers, self._parsing
        )
        answer: AnalysisManifest = await answer_of(task, self._merge_s)
        return answer

    async def table(self, reference: object) -> pa.Table:
        return await self._answer(reference)

    def _sealed(self, token: SecretStr) -> SealedToken:
        return seal(token, self._sealer, self._keys)

    async def unbegun(self) -> Collection[object]:
        return await self._placement.unbegun()

    async def _answer(self, reference: Any) -> Any:
        return await self._within(reference, self._task_s)

    async def _within(self, reference: Any, limit_s: float) -> Any:
        with self._placement.watched(reference) as begun:
            return await answer_of(reference, limit_s, begun=begun)


async def answer_of(
    reference: Any,
    limit_s: float,
    cancel: Callable[[Any], object] | None = None,
    begun: Callable[[], Awaitable[bool]] | None = None,
) -> Any:
    """The result of a task; its expected errors are raised.

    Args:
        limit_s: seconds after which the task counts as hung: it is cancelled and its worker killed.
        cancel: the function that cancels; None: Ray's.
        begun: whether the task has a worker; None: it has. A task that waits for a worker does not hang: its time
            begins again.

    Raises:
        WorkLost: the worker died or hung; and the expected errors.
    """
    try:
        answer = await _awaited_within(reference, limit_s, begun)
    except TimeoutError as exc:
        (cancel or _cancel)(reference)
        raise WorkLost(f"no answer within {limit_s:.0f} s") from exc
    except RayError as exc:
        lost = not isinstance(exc, _ARGUMENTS_SURVIVE)
        raise WorkLost(f"{type(exc).__name__}: {str(exc).strip().splitlines()[-1][:200]}", lost) from exc
    if isinstance(answer, tasks.Timed):
        SPENT.update(answer.cpu_s)
        SPENT.update(f"tasks:{name}" for name in answer.cpu_s)
        answer = answer.answer
    if isinstance(answer, BackupError):
        raise answer
    return answer


async def _awaited_within(reference: Any, limit_s: float, begun: Callable[[], Awaitable[bool]] | None) -> Any:
    """Raises TimeoutError."""
    waiting = asyncio.ensure_future(_awaited(reference))
    try:
        while True:
            await asyncio.wait({waiting}, timeout=limit_s)
            if waiting.done():
                return waiting.result()
            if begun is None or await begun():
                raise TimeoutError
    finally:
        waiting.cancel()


async def _awaited(reference: Any) -> Any:
    return await reference


def _cancel(reference: Any) -> None:
    """Kills the worker, too: a hung worker would keep its place."""
    try:
        ray.cancel(reference, force=True)
    except RayError as exc:
        _LOG.warning("A task that hangs cannot be cancelled: %s", exc)
