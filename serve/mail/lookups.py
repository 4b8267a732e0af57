"""Versions of mailboxes and locations of messages, for concurrent requests: one query for many, no thread for each.

Only for databases that are read without replicas: with replicas, a read position decides which server each request
reads (serve/http/session_token.py), and the readers of serve/mail/readers.py do that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from serve.http.batching import Batcher
from serve.http.executor import BlockingExecutor
from serve.mail.readers import Mailboxes
from storage.control.principal import Principal
from storage.mailbox import lookups
from storage.mailbox.lookups import Located


@dataclass(frozen=True, slots=True)
class _Queries:
    """The batches of one database: a database that is slow delays no other."""

    versions: Batcher[int, str]
    locations: Batcher[tuple[int, int], Located]


class MailLookups:
    """Looks up the caller's mailbox or message. For use in one event loop."""

    def __init__(self, mailboxes: Mailboxes, threads: BlockingExecutor) -> None:
        """`threads`: of lookups alone, at least two for each database and one for the shard map."""
        self._mailboxes, self._threads = mailboxes, threads
        self._places: Batcher[int, int] = Batcher(mailboxes.databases_of, threads)
        self._queries: dict[int, _Queries] = {}

    async def version(self, principal: Principal) -> str | None:
        """`MailboxReader.version` of the caller's mailbox; None: ask a reader.

        Raises:
            DatabaseUnreachable.
        """
        queries = await self._of(principal)
        return None if queries is None else await queries.versions.of(principal.user_id)

    async def located(self, principal: Principal, message_id: int) -> tuple[bool, Located | None]:
        """Whether the message can be looked up here, and the message; None: the caller has no such message.

        Raises:
            DatabaseUnreachable.
        """
        queries = await self._of(principal)
        if queries is None:
            return False, None
        return True, await queries.locations.of((principal.user_id, message_id))

    async def _of(self, principal: Principal) -> _Queries | None:
        shards = self._mailboxes.known_shards()
        place = None if shards is None else shards.get(principal.shard_id)
        if place is None:
            place = await self._places.of(principal.shard_id)
        if place is None or not self._mailboxes.is_direct(place):
            return None
        if place not in self._queries:
            self._queries[place] = _Queries(
                Batcher(self._asking(lookups.versions, place), self._threads),
                Batcher(self._asking(lookups.locations, place), self._threads),
            )
        return self._queries[place]

    def _asking(self, ask: Callable[..., Mapping], place: int) -> Callable[[Sequence], Mapping]:  # type: ignore[type-arg]
        return lambda keys: ask(self._mailboxes.engine(place), keys)
