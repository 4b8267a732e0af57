"""The hand behind the scenes: /_sim/, for tests, the demo and chaos.

GET  /_sim/health
GET  /_sim/stats
GET  /_sim/users                                 [{email, refresh_token, messages}]
GET  /_sim/users/{email}/messages                [{id, sha256, size, labels, thread, date_ms}], spam and trash too
GET  /_sim/users/{email}/authorized-user         an authorized-user file
POST /_sim/users/{email}/messages?label=INBOX    the raw body arrives as a message
POST /_sim/users/{email}/messages/{id}/labels    {"add": [...], "remove": [...]}
POST /_sim/users/{email}/messages/{id}/delete
POST /_sim/users/{email}/revoke | restore | suspend | expire-access | expire-history
GET  /_sim/client                                the OAuth client's file, for a login with a consent page
GET  /_sim/service-account                       the domain's service account's file
POST /_sim/delegation/revoke | restore           whether the domain's admin lets it act for the users
POST /_sim/users/{email}/labels/{id}             {"name": "..."}: a label made, or renamed
POST /_sim/users/{email}/lag                     history holds back what changes from now on
POST /_sim/users/{email}/refuse-grant?times=1    invalid_grant, so many times
POST /_sim/faults                                {"rate": 0.1, "kinds": [...], "latency_ms": 0}
POST /_sim/deviations                            {"rules": [...], "rate": 0, "seed": 0} (deviations.py); replaces
"""

import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, Field, NonNegativeFloat, ValidationError

from cluster.simulator.answers import Answer, GoogleError, invalid, not_found, ok
from cluster.simulator.call import HttpCall, parse_params
from cluster.simulator.config import FaultKind
from cluster.simulator.deviations import DeviationPlan
from cluster.simulator.mailbox import Mailbox
from cluster.simulator.routes import GmailApi

PREFIX = "/_sim/"


class _FaultsUpdate(BaseModel):
    rate: float | None = Field(None, ge=0, le=1)
    kinds: tuple[FaultKind, ...] | None = Field(None, min_length=1)
    latency_ms: NonNegativeFloat | None = None


class _LabelsUpdate(BaseModel):
    add: list[str] = []
    remove: list[str] = []


class _Classification(BaseModel):
    values: list[dict[str, Any]]


class _LabelAsked(BaseModel):
    name: str


class Control:
    """Shows and changes the simulated mailboxes; Gmail's quota and faults do not apply here."""

    def __init__(self, api: GmailApi, token: str | None, latency_ms: float) -> None:
        self._api, self._token = api, token
        self.latency_ms = latency_ms
        self.url = ""
        self.pushes: Counter[str] = Counter()

    def call(self, request: HttpCall) -> Answer:
        try:
            self._authorize(request.authorization)
            path, _, query = request.target.partition("?")
            steps = [unquote(step) for step in path.removeprefix(PREFIX).strip("/").split("/")]
            if steps[0] == "users" and len(steps) > 1:
                return self._user(request, steps[1], steps[2:], query)
            return self._whole(request, steps)
        except GoogleError as error:
            return error.answer()
        except ValidationError as error:
            return invalid(f"The request is not understood: {error.errors()[0]['msg']}").answer()

    def _authorize(self, authorization: str) -> None:
        given = authorization.removeprefix("Bearer ").encode()
        if self._token is not None and not hmac.compare_digest(given, self._token.encode()):
            raise GoogleError(401, "authError", "The control token is missing or wrong.")

    def _whole(self, request: HttpCall, steps: list[str]) -> Answer:
        match request.method, steps:
            case "GET", ["health"]:
                return ok({"status": "ok", "users": len(self._api.mailboxes)})
            case "GET", ["stats"]:
                return ok(self._stats())
            case "GET", ["users"]:
                return ok([self._account(mailbox) for mailbox in self._api.mailboxes.values()])
            case "GET", ["client"]:
                return ok(self._api.grants.client(self.url))
            case "GET", ["service-account"]:
                return ok(self._api.grants.workspace.service_account(self.url))
            case "POST", ["delegation", "revoke" | "restore" as what]:
                self._api.grants.workspace.delegated = what == "restore"
                return ok({"delegated": what == "restore"})
            case "POST", ["faults"]:
                return ok(self._set_faults(_FaultsUpdate.model_validate_json(request.body or b"{}")))
            case "POST", ["deviations"]:
                self._api.deviations.set(DeviationPlan.model_validate_json(request.body or b"{}"))
                return ok({"injected": dict(self._api.deviations.injected)})
        raise not_found()

    def _user(self, request: HttpCall, email: str, steps: list[str], query: str) -> Answer:
        mailbox = self._api.mailboxes.get(email.lower())
        if mailbox is None:
            raise not_found()
        if request.method == "GET":
            match steps:
                case ["messages"]:
                    return ok(_all_messages(mailbox))
                case ["authorized-user"]:
                    return ok(self._api.grants.authorized_user(mailbox.email, self.url))
            raise not_found()
        if request.method == "POST" and steps[:1] == ["messages"]:
            return ok(_change(mailbox, request.body, steps[1:], parse_params(query).get("label")))
        if request.method == "POST" and steps[:1] == ["labels"] and len(steps) == 2:
            mailbox.labels[steps[1]] = _LabelAsked.model_validate_json(request.body or b"{}").name
            return ok({"id": steps[1]})
        if request.method == "POST" and len(steps) == 1:
            return self._switch(mailbox, steps[0], int(parse_params(query).get("times", ["1"])[-1]))
        raise not_found()

    def _switch(self, mailbox: Mailbox, what: str, times: int) -> Answer:
        match what:
            case "lag":
                self._api.deviations.hold_back(mailbox.email, mailbox.history_id)
            case "refuse-grant":
                self._api.grants.refuse(mailbox.email, times)
            case "revoke":
                self._api.grants.revoke(mailbox.email)
            case "restore":
                self._api.grants.restore(mailbox.email)
                self._api.grants.workspace.suspended.discard(mailbox.email)
            case "suspend":
                self._api.grants.workspace.suspended.add(mailbox.email)
            case "expire-access":
                self._api.grants.expire_access(mailbox.email)
            case "expire-history":
                mailbox.forget_history()
            case _:
                raise not_found()
        return ok({"email": mailbox.email, "historyId": str(mailbox.history_id)})

    def _account(self, mailbox: Mailbox) -> dict[str, Any]:
        return {
            "email": mailbox.email,
            "refresh_token": self._api.grants.refresh_token(mailbox.email),
            "messages": len(mailbox.messages),
        }

    def _stats(self) -> dict[str, Any]:
        api = self._api
        return {
            "gets": api.answered["messages.get"],
            "answered": dict(api.answered),
            "units": api.quota.spending.total,
            "units_by_user": dict(api.quota.spending.by_user),
            "gets_by_user": {user: asdict(gets) for user, gets in api.quota.spending.gets.items()},
            "refused": dict(api.refused),
            "faults": dict(api.faults.injected),
            "deviations": dict(api.deviations.injected),
            "pushes": dict(self.pushes),
        }

    def _set_faults(self, update: _FaultsUpdate) -> dict[str, Any]:
        faults = self._api.faults
        rate = faults.rate if update.rate is None else update.rate
        faults.set(rate, faults.kinds if update.kinds is None else update.kinds)
        if update.latency_ms is not None:
            self.latency_ms = update.latency_ms
        return {"rate": faults.rate, "kinds": list(faults.kinds), "latency_ms": self.latency_ms}


def _all_messages(mailbox: Mailbox) -> list[Mapping[str, Any]]:
    return [
        {
            "id": message.id,
            "sha256": sha256(message.raw).hexdigest(),
            "size": len(message.raw),
            "labels": sorted(message.labels),
            "thread": message.thread_id,
            "date_ms": message.internal_date_ms,
        }
        for message in mailbox.messages.values()
    ]


def _change(mailbox: Mailbox, body: bytes, steps: list[str], labels: list[str] | None) -> dict[str, Any]:
    if not steps:
        message = mailbox.add(body, ("INBOX", "UNREAD") if labels is None else labels)
        return {"id": message.id, "threadId": message.thread_id, "historyId": str(mailbox.history_id)}
    if steps[0] not in mailbox.messages or len(steps) != 2:
        raise not_found()
    match steps[1]:
        case "labels":
            update = _LabelsUpdate.model_validate_json(body or b"{}")
            mailbox.modify(steps[0], update.add, update.remove)
        case "classification":
            classified = _Classification.model_validate_json(body)
            mailbox.messages[steps[0]].classification = tuple(classified.values)
        case "delete":
            mailbox.delete(steps[0])
        case _:
            raise not_found()
    return {"id": steps[0], "historyId": str(mailbox.history_id)}
