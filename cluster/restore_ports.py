"""What a restore is given: the quota of its target's owner, access tokens, time and threads, calls about labels."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from actors.tokens import Tokens
from jobs.gmail.errors import AnswerUnreadable, GmailError, GmailRefused, GrantRevoked, Throttled, TokenRejected
from jobs.gmail.records import Label
from jobs.gmail.writes import GmailWriter
from storage.errors import BackupError
from storage.model.records import User

if TYPE_CHECKING:
    from pydantic import SecretStr

    from actors.remote.client import ShardClient

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
#: Seconds before an owner that does not answer is asked again.
_OWNER_AGAIN_S = 0.5
#: Seconds that Gmail is given after a refusal that names none.
_PAUSE_S = 5.0
#: Times that a call which only reads is made, and the longest wait between two.
_TRIES, _LONGEST_WAIT_S = 8, 30.0
#: Times that a call is made whose answer cannot be read: it mostly stays so.
_UNREADABLE_TRIES = 3
#: Listings of a mailbox of which one has to be confirmed.
_LISTINGS = 4


class RestoreNotAllowed(BackupError):
    """The mailbox's owner has not allowed a restore. Ask for the consent; then go on with the restore."""

    def __init__(self, email: str, reason: str) -> None:
        super().__init__(email, reason)
        self.email, self.reason = email, reason

    def __str__(self) -> str:
        return (
            f"Google does not let us write into {self.email} ({self.reason.rstrip('.')}): run `gbm accounts "
            f"login {self.email} --client FILE --restore` (--relabel for `gbm restore --labels`), then resume."
        )


class Machine:
    """The real time, and threads for blocking work."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="restore")

    def now(self) -> float:
        """Seconds, by a clock that is never set back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let others work meanwhile."""
        await asyncio.sleep(seconds)

    async def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """The result of blocking work."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def close(self) -> None:
        """Wait for the work under way."""
        self._threads.shutdown()


class OwnerQuota:
    """The quota of a mailbox, as its shard's owner has it: one allowance for the backup and for the restore."""

    def __init__(self, client: "ShardClient", target: User) -> None:
        self._client, self._target = client, target
        self._telling: set[asyncio.Task[None]] = set()

    async def take(self, method: str) -> None:
        """Return once a call may be made. Outlasts an owner that is replaced."""
        while True:
            try:
                wait_s = await self._client.lend(self._target, method)
            except BackupError as exc:
                _LOG.warning("The restore waits for quota: %s", exc)
                wait_s = _OWNER_AGAIN_S
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)

    def returned(self, method: str) -> None:
        """A call came back."""
        self._tell(lambda: self._client.repaid(self._target, method))

    def throttled(self, fault: Throttled) -> None:
        """Gmail asked for a pause."""
        seconds = _PAUSE_S if fault.retry_after_s is None else fault.retry_after_s
        self._tell(lambda: self._client.slow_down(self._target, fault.scope, seconds))

    def _tell(self, call: Callable[[], Any]) -> None:
        """Tell the owner something; one that does not hear it reckons with the worst (`ShardQuota.lend`)."""

        async def notify() -> None:
            try:
                await call()
            except BackupError as exc:
                _LOG.info("The owner of shard %d was not told: %s", self._target.shard_id, exc)

        task = asyncio.create_task(notify())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


class TargetTokens:
    """Access tokens of one mailbox."""

    def __init__(self, tokens: Tokens, target: User) -> None:
        self._tokens, self._target = tokens, target
        self._last: SecretStr | None = None

    async def get(self) -> str:
        """A token that is good for a while. Raises as `actors.tokens.Tokens`."""
        self._last = await self._tokens.get(self._target.user_id, self._target.email)
        return self._last.get_secret_value()

    def reject(self, token: str) -> None:
        """Gmail refused this token."""
        if self._last is not None and self._last.get_secret_value() == token:
            self._tokens.reject(self._target.user_id, self._last)


class TargetCalls:
    """Calls about the target as a whole, within the quota; those that only read are repeated until they succeed."""

    def __init__(self, gmail: GmailWriter, quota: OwnerQuota, tokens: TargetTokens, machine: Machine) -> None:
        self._gmail, self._quota, self._tokens, self._machine = gmail, quota, tokens, machine

    async def labels(self) -> list[Label]:
        """All labels."""
        return await self._read("labels.list", self._gmail.labels)

    async def create(self, name: str, visibility: str, color: str) -> Label:
        """Create a label. Raises GmailRefused, WriteUncertain, and what `jobs.gmail` raises."""
        return await self._call("labels.create", self._gmail.create_label, name, visibility, color)

    async def ids(self) -> set[int]:
        """Ids of all messages, Spam and Trash too: of a listing that the profile's total, or another listing, confirms.

        Raises:
            AnswerUnreadable: none is confirmed.
        """
        last: set[int] | None = None
        for _ in range(_LISTINGS):
            before = await self._read("getProfile", self._gmail.messages_total)
            found, unreadable = await self._listing()
            after = await self._read("getProfile", self._gmail.messages_total)
            if min(before, after) <= len(found) + unreadable <= max(before, after) or found == last:
                return found
            _LOG.warning("Gmail lists %d messages and counts %d: they are listed again", len(found), after)
            last = found
        raise AnswerUnreadable(f"{_LISTINGS} listings of a mailbox disagree with its total")

    async def carrying(self, label_id: str, on_call: Callable[[], None]) -> set[int]:
        """Ids of the messages that carry a label, Spam and Trash too. Raises NotFound."""
        return (await self._listing([label_id], on_call))[0]

    async def _listing(
        self, label_ids: Sequence[str] = (), on_call: Callable[[], None] = lambda: None
    ) -> tuple[set[int], int]:
        """The ids of one listing, and the number of those that cannot be read."""
        found: set[int] = set()
        unreadable, page_token, seen = 0, None, {""}
        while page_token not in seen:
            page = await self._read("messages.list", self._gmail.page, page_token, label_ids)
            on_call()
            found.update(page.ids)
            unreadable += len(page.unreadable)
            if page.next_page_token is None:
                return found, unreadable
            seen.add(page_token or "")
            page_token = page.next_page_token
        raise AnswerUnreadable("a listing of messages repeats its pages")

    async def digest(self, message_id: int) -> tuple[bytes, int]:
        """SHA-256 of a message's bytes, and its thread. Raises NotFound."""
        return await self._read("messages.get", self._gmail.digest, message_id)

    async def _read(self, method: str, call: Callable[..., _T], *arguments: Any) -> _T:
        wait_s = 1.0
        for left in range(_TRIES - 1, -1, -1):
            try:
                return await self._call(method, call, *arguments)
            except (GmailRefused, GrantRevoked):
                raise
            except GmailError as exc:
                torn = isinstance(exc, AnswerUnreadable) and left <= _TRIES - _UNREADABLE_TRIES
                if not exc.retryable or not left or torn:
                    raise
                await self._machine.sleep(max(wait_s, exc.retry_after_s or 0.0))
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        raise AssertionError("unreachable")

    async def _call(self, method: str, call: Callable[..., _T], *arguments: Any) -> _T:
        await self._quota.take(method)
        token = await self._tokens.get()
        try:
            return await self._machine.run(call, token, *arguments)
        except TokenRejected:
            self._tokens.reject(token)
            raise
        except Throttled as exc:
            self._quota.throttled(exc)
            raise
        finally:
            self._quota.returned(method)
