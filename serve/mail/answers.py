"""Responses about one mailbox or one of its messages, from the response cache where possible.

A cached response needs no thread: the version of the mailbox, or the state of the message, comes from a query that many
requests share (serve/mail/lookups.py). It began after the request, so a cached response is as current as a new one.
"""

import hashlib
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from serve.http.executor import BlockingExecutor
from serve.http.response_cache import ResponseCache, Versioned
from serve.mail.lookups import MailLookups
from serve.mail.ports import MailReader, Readers
from storage.control.principal import Principal
from storage.mailbox.lookups import Located

R = TypeVar("R", bound=Versioned)
#: Largest message whose exact bytes are cached.
_MOST_RAW = 256 << 10


class Document(NamedTuple):
    """A message as JSON, and whether it is all that can be read of the message (`Email.is_whole`)."""

    content: bytes
    is_whole: bool


class MailAnswers(Generic[R]):
    """Responses that depend on a whole mailbox."""

    def __init__(
        self,
        mailboxes: Readers[R],
        cache: ResponseCache,
        threads: BlockingExecutor,
        lookups: MailLookups | None = None,
    ) -> None:
        """`lookups`: None: every request asks a reader."""
        self._mailboxes, self._cache, self._threads, self._lookups = mailboxes, cache, threads, lookups

    async def of(self, principal: Principal, question: Hashable | None, make: Callable[[R], bytes]) -> bytes:
        """The response to a question about the caller's mailbox.

        Args:
            question: identifies the response in one version of the mailbox; None: it depends on time.
            make: called in a thread unless the cache has the response.
        """
        if question is not None and self._lookups is not None:
            version = await self._lookups.version(principal)
            cached = None if version is None else self._cache.kept((principal.user_id, version, question))
            if cached is not None:
                return cached

        def read() -> bytes:
            reader = self._mailboxes.reader(principal)
            if question is None:
                return make(reader)
            return self._cache.of(principal.user_id, reader, question, lambda: make(reader))

        return await self._threads.run(read)


class MessageAnswers:
    """Documents and exact bytes of single messages. A document is cached for a message's state, not for a version."""

    def __init__(
        self,
        mailboxes: Readers[MailReader],
        cache: ResponseCache,
        threads: BlockingExecutor,
        lookups: MailLookups | None = None,
    ) -> None:
        """`lookups`: None: every request asks a reader."""
        self._mailboxes, self._cache, self._threads, self._lookups = mailboxes, cache, threads, lookups

    async def document(
        self,
        principal: Principal,
        message_id: int,
        as_of: datetime | None,
        make: Callable[[MailReader, Located | None], Document | None],
    ) -> bytes | None:
        """The document of a message; None: the caller has (had) no such message.

        A document that lacks something is not cached: the file may be repaired, or the next reading succeed.

        Args:
            make: called in a thread unless the cache has the document; with None, it looks the message up.
        """
        located, is_known = await self._located(principal, message_id, as_of)
        if is_known and located is None:
            return None
        key = (principal.user_id, "document", located)
        cached = None if located is None else self._cache.kept(key)
        if cached is not None:
            return cached

        def read() -> bytes | None:
            reader = self._mailboxes.reader(principal)
            document = None if located is None else make(reader, located)
            if document is None:
                document = make(reader, None)
                return None if document is None else document.content
            if document.is_whole:
                self._cache.keep(key, document.content)
            return document.content

        return await self._threads.run(read)

    async def raw(self, principal: Principal, message_id: int, as_of: datetime | None) -> tuple[bytes, str] | None:
        """The exact bytes of a message and their SHA-256, hex; None as `document`."""
        located, is_known = await self._located(principal, message_id, as_of)
        if is_known and located is None:
            return None
        key = (principal.user_id, "raw", message_id, located and located.location.sha256)
        cached = None if located is None else self._cache.kept(key)
        if cached is not None and located is not None:
            return cached, located.location.sha256.hex()

        def read() -> tuple[bytes, str] | None:
            reader = self._mailboxes.reader(principal)
            content = None if located is None else reader.raw_at(located)
            if located is not None and content is not None:
                if len(content) <= _MOST_RAW:
                    self._cache.keep(key, content)
                return content, located.location.sha256.hex()
            content = reader.raw(message_id, as_of)
            return None if content is None else (content, hashlib.sha256(content).hexdigest())

        return await self._threads.run(read)

    async def _located(
        self, principal: Principal, message_id: int, as_of: datetime | None
    ) -> tuple[Located | None, bool]:
        """The message's current state, and whether it was looked up."""
        if self._lookups is None or as_of is not None:
            return None, False
        is_known, located = await self._lookups.located(principal, message_id)
        return located, is_known
