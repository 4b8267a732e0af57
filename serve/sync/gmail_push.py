"""/api/v1/push/gmail: Gmail's own word, through Pub/Sub, that a mailbox changed. It makes us look, and nothing more.

A push is believed only with Pub/Sub's OIDC token for our audience and service account; what it says is not: the mailbox
is brought up to date by its history. Lost pushes are caught by polling, repeated ones change nothing.

Source: developers.google.com/workspace/gmail/api/guides/push (read 2026-11).
"""

import base64
import binascii
import logging
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Header, HTTPException, Response
from pydantic import BaseModel, Field

from actors.decisions import Mode
from serve.auth.policies import public
from serve.auth.pubsub_auth import Sender
from serve.config import ServeConfig
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.settings import PREFIXES
from serve.sync.ports import Owners, OwnerUnavailable
from storage.control.accounts import MailboxPaused, UnknownUser
from storage.errors import BackupError
from storage.model.records import User

PREFIX = PREFIXES["push"]

_LOG = logging.getLogger(__name__)
_DATA_MOST = 8192


class Users(Protocol):
    """Knows mailboxes by address. `storage.control.Control` is one."""

    def user(self, email: str) -> User: ...


class _Message(BaseModel):
    data: str = Field(max_length=_DATA_MOST, description="base64 of {emailAddress, historyId}")


class Push(BaseModel):
    """What Pub/Sub posts."""

    message: _Message


def router(users: Users, owners: Owners, sender: Sender, threads: BlockingExecutor, config: ServeConfig) -> APIRouter:
    """The route. Without an audience and a service account it takes no pushes (404)."""
    routes = APIRouter(prefix=PREFIX, tags=["push"], responses=responses(401, 404, 422, 503))
    enabled = bool(config.push.audience and config.push.service_account)

    @routes.post("/gmail", status_code=204, summary="Gmail says, through Pub/Sub, that a mailbox changed")
    @public()
    async def gmail(push: Push, authorization: Annotated[str, Header()] = "") -> Response:
        if not enabled:
            raise HTTPException(404)
        await threads.run(sender.check, authorization)
        email = _address(push.message.data)
        try:
            user = await threads.run(users.user, email)
        except UnknownUser:
            _LOG.info("A push for a mailbox that is not backed up here is acknowledged and passed over")
            return Response(status_code=204)
        try:
            await owners.request(user, Mode.INCREMENTAL)
        except MailboxPaused:
            return Response(status_code=204)  # it is looked at when it is resumed
        except BackupError as exc:
            raise OwnerUnavailable(user.shard_id, str(exc)) from exc  # Pub/Sub delivers it again
        return Response(status_code=204)

    return routes


def _address(data: str) -> str:
    """The mailbox that a push is about; HTTPException 422 when it does not say."""
    try:
        document: Any = orjson.loads(base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=False))
        email = document["emailAddress"]
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise HTTPException(422) from exc
    if not isinstance(email, str) or len(email) > 320:
        raise HTTPException(422)
    return email
