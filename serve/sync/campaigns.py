"""/api/v1/sync/backfills: campaigns over many mailboxes, for operators. 202, and a place to look.

A campaign is a row in Postgres before its Ray Job is submitted; the same request submits one for a job that died.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from actors.decisions import Mode
from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.sync.operations import PATH as OPERATIONS
from serve.sync.operations import Operation, OperationError, OperationProgress
from serve.sync.ports import Jobs
from serve.sync.sync import Waiting
from storage.control.campaigns import Campaign, Campaigns, Member, UnknownCampaign, campaign_status, states_of
from storage.control.control import Control
from storage.control.principal import Principal
from storage.db.engines import Databases
from storage.model.results import InvalidCursor

PATH = "/api/v1/sync/backfills"
_MOST_EMAILS = 1000
_Address = Annotated[str, Field(max_length=320, pattern=r"^[^\x00]*$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: Mode = Field(Mode.INCREMENTAL, description="full: also list complete mailboxes again")


class SomeMailboxes(_Request):
    """These mailboxes."""

    emails: list[_Address] = Field(min_length=1, max_length=_MOST_EMAILS, description="addresses of mailboxes")


class AllMailboxes(_Request):
    """Every mailbox."""

    all: Literal[True]


BackfillRequest = SomeMailboxes | AllMailboxes


class MailboxError(BaseModel):
    """Why a mailbox could not be completed, and what to do."""

    email: str
    error: str | None


class Backfill(BaseModel):
    """A campaign and how far it is."""

    id: str
    state: str = Field(description="running, cancelling, cancelled, complete or incomplete")
    mode: Mode
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    job_id: str = Field(description="the Ray Job, as the dashboard names it")
    mailboxes: int
    done: int
    failed: int
    messages: int = Field(description="messages stored of these mailboxes")
    new_messages: int = Field(description="of them, since the campaign began")
    estimate: int = Field(description="messages that Gmail says there are")
    size_bytes: int
    eta_s: float | None = Field(description="seconds left at the campaign's own pace; null while unknown")
    waits: list[Waiting] = Field(description="what holds mailboxes that are not done back, 100 at most")
    errors: list[MailboxError] = Field(description="of mailboxes that failed, 100 at most")


class BackfillPage(BaseModel):
    """Campaigns, newest first."""

    items: list[Backfill]
    next_cursor: str | None


class Backfills:
    """What the routes do. Blocking."""

    def __init__(self, databases: Databases, control: Control, jobs: Jobs) -> None:
        self._databases, self._control, self._jobs = databases, control, jobs
        self._campaigns = Campaigns(databases.control)

    def begin(self, principal: Principal, request: BackfillRequest, key: str | None) -> dict[str, Any]:
        """Begin a campaign, or find the one that does the same.

        Raises:
            UnknownUser.
        """
        if isinstance(request, AllMailboxes):
            users = self._control.users()
        else:
            users = list({user.user_id: user for user in map(self._control.user, request.emails)}.values())
        states = states_of(self._databases, self._control.shards(), users)
        members = [
            Member(user, state.synced_at, state.listed_at, state.messages) if state else Member(user)
            for user, state in ((user, states.get(user.user_id)) for user in users)
        ]
        # A key is its caller's: nobody meets another's campaign by guessing it.
        scoped = f"{principal.user_id}:{key}" if key else None
        campaign, _ = self._campaigns.begin(
            request.mode.value, members, principal.email, scoped, isinstance(request, SomeMailboxes)
        )
        if campaign.ended_at is None:
            campaign = self._jobs.start(self._campaigns, campaign)
        return self._shown(campaign)

    def get(self, campaign_id: str) -> dict[str, Any]:
        """One campaign.

        Raises:
            UnknownCampaign.
        """
        return self._shown(self._campaigns.get(_number(campaign_id)))

    def cancel(self, campaign_id: str, _by: str = "") -> dict[str, Any]:
        """Have a campaign stop.

        Raises:
            UnknownCampaign, CampaignEnded.
        """
        return self._shown(self._campaigns.cancel(_number(campaign_id)))

    def resume(self, campaign_id: str) -> dict[str, Any]:
        """Go on with a campaign.

        Raises:
            UnknownCampaign, CampaignEnded.
        """
        return self._shown(self._jobs.start(self._campaigns, self._campaigns.get(_number(campaign_id))))

    def page(self, limit: int, cursor: str | None) -> dict[str, Any]:
        """Campaigns, newest first."""
        found = self._campaigns.newest(limit + 1, _place(cursor) if cursor else None)
        following = str(found[limit - 1].campaign_id) if len(found) > limit else None
        return {"items": [self._shown(campaign) for campaign in found[:limit]], "next_cursor": following}

    def operation(self, number: str) -> Operation:
        """A campaign as an operation.

        Raises:
            UnknownCampaign.
        """
        return _operation(self.get(number))

    def operations(self, limit: int, cursor: str | None, state: str | None) -> tuple[list[Operation], str | None]:
        """Campaigns as operations, newest first; of one state, those among the page's."""
        page = self.page(limit, cursor)
        items = [_operation(shown) for shown in page["items"] if state in (None, shown["state"])]
        return items, page["next_cursor"]

    def _shown(self, campaign: Campaign) -> dict[str, Any]:
        return campaign_status(campaign, self._databases, self._control.shards())


def _operation(shown: dict[str, Any]) -> Operation:
    done, total = shown["done"] + shown["failed"], shown["mailboxes"]
    by_messages = shown["messages"] / shown["estimate"] if shown["estimate"] else 0.0
    ended = shown["ended_at"] is not None
    name = f"backfill-{shown['id']}"
    return Operation(
        id=name,
        kind="backfill",
        state=shown["state"],
        requested_by=shown["requested_by"],
        created_at=shown["created_at"],
        ended_at=shown["ended_at"],
        progress=OperationProgress(
            done=done,
            total=total,
            unit="mailboxes",
            fraction=1.0 if ended and done >= total else min(max(by_messages, done / max(total, 1)), 1.0),
            eta_s=shown["eta_s"],
        ),
        result={key: shown[key] for key in ("messages", "new_messages", "size_bytes", "failed")},
        errors=[OperationError(subject=each["email"], error=each["error"]) for each in shown["errors"]],
        links={
            "self": f"{OPERATIONS}/{name}",
            "progress": f"{OPERATIONS}/{name}/progress",
            "cancel": f"{OPERATIONS}/{name}/cancel",
            "backfill": f"{PATH}/{shown['id']}",
        },
    )


def _place(cursor: str) -> int:
    try:
        return _number(cursor)
    except UnknownCampaign as exc:
        raise InvalidCursor(cursor) from exc


def _number(text: str) -> int:
    """Raises UnknownCampaign: no campaign has such an id."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UnknownCampaign(0)
    return int(text)


def router(backfills: Backfills, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["sync"], responses=responses(401, 403, 422, 503))
    operators = permits(Role.OPERATOR, scope=Scope.CAMPAIGNS)
    readers = permits(Role.OPERATOR, Role.AUDITOR, scope=Scope.CAMPAIGNS)

    @routes.post("", status_code=202, summary="Back many mailboxes up", responses=responses(404))
    @operators
    async def begin(
        principal: Caller,
        body: BackfillRequest,
        response: Response,
        idempotency_key: Annotated[
            str | None,
            Header(
                max_length=200,
                description="the same key and body from you: the same campaign, for ever; with another body: 422",
            ),
        ] = None,
    ) -> Backfill:
        shown = await threads.run(backfills.begin, principal, body, idempotency_key)
        response.headers["Location"] = f"{OPERATIONS}/backfill-{shown['id']}"
        return Backfill(**shown)

    @routes.get("", summary="Campaigns, newest first")
    @readers
    async def listing(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=20)] = None,
    ) -> BackfillPage:
        return BackfillPage(**await threads.run(backfills.page, limit, cursor))

    @routes.get("/{campaign_id}", summary="How far a campaign is", responses=responses(404))
    @readers
    async def get(campaign_id: str) -> Backfill:
        return Backfill(**await threads.run(backfills.get, campaign_id))

    @routes.post("/{campaign_id}/cancel", summary="Stop a campaign", responses=responses(404, 409))
    @operators
    async def cancel(campaign_id: str) -> Backfill:
        return Backfill(**await threads.run(backfills.cancel, campaign_id))

    @routes.post("/{campaign_id}/resume", status_code=202, summary="Go on with one", responses=responses(404, 409))
    @operators
    async def resume(campaign_id: str) -> Backfill:
        return Backfill(**await threads.run(backfills.resume, campaign_id))

    return routes
