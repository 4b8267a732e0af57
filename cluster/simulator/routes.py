"""Which call is meant, whether it may proceed, and its answer.

In this order, as at Google: authentication, routing, the right mailbox, quota, faults, the call itself. Every call
inside a batch takes the same way. No I/O; the time is an argument.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from cluster.simulator import changes, history, labels, messages, threads
from cluster.simulator.answers import Answer, GoogleError, not_found
from cluster.simulator.call import Call, HttpCall, Params, parse_params, whole
from cluster.simulator.deviations import Answered, Deviations
from cluster.simulator.faults import Faults
from cluster.simulator.fields import parse_fields, select
from cluster.simulator.mailbox import Mailbox
from cluster.simulator.oauth import Grants
from cluster.simulator.quota import Quota
from cluster.simulator.uploads import Upload, Uploads, incomplete, receive

Handler = Callable[[Call], dict[str, Any] | None]


class Route(NamedTuple):
    gmail_method: str  # as the quota table names it
    handler: Handler


# HTTP method and path below the user; "*" is an id.
_ROUTES: dict[tuple[str, ...], Route] = {
    ("GET", "profile"): Route("getProfile", labels.get_profile),
    ("POST", "watch"): Route("watch", history.watch),
    ("POST", "stop"): Route("stop", history.stop),
    ("GET", "history"): Route("history.list", history.list_history),
    ("GET", "labels"): Route("labels.list", labels.list_labels),
    ("POST", "labels"): Route("labels.create", labels.create_label),
    ("GET", "labels", "*"): Route("labels.get", labels.get_label),
    ("PUT", "labels", "*"): Route("labels.update", labels.update_label),
    ("PATCH", "labels", "*"): Route("labels.update", labels.update_label),
    ("DELETE", "labels", "*"): Route("labels.delete", labels.delete_label),
    ("GET", "messages"): Route("messages.list", messages.list_messages),
    ("POST", "messages"): Route("messages.insert", changes.insert),
    ("POST", "messages", "import"): Route("messages.import", changes.import_message),
    ("POST", "messages", "batchModify"): Route("messages.batchModify", changes.batch_modify),
    ("POST", "messages", "batchDelete"): Route("messages.batchDelete", changes.batch_delete),
    ("GET", "messages", "*"): Route("messages.get", messages.get),
    ("DELETE", "messages", "*"): Route("messages.delete", changes.delete),
    ("POST", "messages", "*", "modify"): Route("messages.modify", changes.modify),
    ("POST", "messages", "*", "trash"): Route("messages.trash", changes.trash),
    ("POST", "messages", "*", "untrash"): Route("messages.untrash", changes.untrash),
    ("GET", "messages", "*", "attachments", "*"): Route("messages.attachments.get", messages.get_attachment),
    ("GET", "threads"): Route("threads.list", threads.list_threads),
    ("GET", "threads", "*"): Route("threads.get", threads.get_thread),
}
_PREFIXES = ("/gmail/v1/users/", "/upload/gmail/v1/users/")


class GmailApi:
    """All mailboxes behind the Gmail API."""

    def __init__(
        self,
        mailboxes: dict[str, Mailbox],
        grants: Grants,
        quota: Quota,
        faults: Faults,
        empty_history_pages: bool = False,
    ) -> None:
        self.mailboxes, self.grants, self.quota, self.faults = mailboxes, grants, quota, faults
        self.deviations = Deviations()
        self.answered: Counter[str] = Counter()  # Gmail methods answered with 2xx
        self.refused: Counter[str] = Counter()  # calls over quota, by scope
        self._empty_history_pages = empty_history_pages
        self._uploads = Uploads()
        self.url = ""  # where it listens: resumable uploads go on there

    def call(self, request: HttpCall, now: float) -> Answer:
        """The answer to one call, whatever it is: errors too are answers."""
        try:
            return self._call(request, now)
        except GoogleError as error:
            return error.answer()

    def _call(self, request: HttpCall, now: float) -> Answer:
        path, _, query = request.target.partition("?")
        user = self.grants.user(request.authorization, now)
        params = parse_params(query)
        if request.method == "PUT" and "upload_id" in params:
            return self._part(request, user, params, now)
        owner, ids, route = _find(request.method, path)
        if owner not in ("me", user) and unquote(owner).lower() != user:
            raise GoogleError(403, "forbidden", f"Delegation denied for {user}")
        self.grants.require(request.authorization, route.gmail_method)
        self._charge(user, route.gmail_method, now)
        fault = self.faults.of_call()
        if fault is not None:
            raise fault
        mailbox = self.mailboxes[user]
        lag_from = self.deviations.lag_from.get(user)
        call = Call(mailbox, ids, params, request.content_type, request.body, now, self._empty_history_pages, lag_from)
        if call.text("uploadType") == "resumable":
            upload = Upload(user, route.gmail_method, call.json(), whole(request.upload_length) or 0)
            target = f"{self.url}{path}?{query}&upload_id={self._uploads.begin(upload)}"
            return Answer(200, b"", headers=(("Location", target),))
        document = route.handler(call)
        self.answered[route.gmail_method] += 1
        if document is None:
            return Answer(204, b"")
        if "fields" in params:
            document = select(document, parse_fields(params["fields"][-1]))
        if not self.deviations.idle:
            label = call.text("labelIds")
            answered = Answered(route.gmail_method, user, ids, label, call.text("pageToken"))
            deviating = self.deviations.of_call(answered, document)
            if isinstance(deviating, Answer):
                return deviating
            document = deviating
        return Answer(200, orjson.dumps(document))

    def _part(self, request: HttpCall, user: str, params: Params, now: float) -> Answer:
        """A part of a resumable upload; faults come at parts as they come at calls."""
        fault = self.faults.of_call()
        if fault is not None:
            raise fault
        upload = self._uploads.of(params["upload_id"][-1], user)
        if upload.answer is not None:
            return upload.answer
        if not receive(upload, request.content_range, request.body):
            return incomplete(upload)
        call = Call(self.mailboxes[user], (), params, "message/rfc822", b"", now)
        source = "dateHeader" if upload.method == "messages.import" else "receivedTime"
        document = changes.take_in(call, upload.document, bytes(upload.content), source)
        self.answered[upload.method] += 1
        upload.answer = Answer(200, orjson.dumps(document))
        upload.content.clear()
        return upload.answer

    def _charge(self, user: str, method: str, now: float) -> None:
        refusal = self.quota.charge(user, method, now)
        if refusal is None:
            return
        self.refused[refusal.scope] += 1
        reason = "userRateLimitExceeded" if refusal.scope == "user" else "rateLimitExceeded"
        limit = "Queries per minute per user" if refusal.scope == "user" else "Queries per minute"
        raise GoogleError(
            429,
            reason,
            f"Quota exceeded for quota metric 'Queries' and limit '{limit}' of service 'gmail.googleapis.com' "
            "for consumer 'project_number:000000000000'.",
            retry_after_s=math.ceil(refusal.retry_after_s),
        )


def _find(method: str, path: str) -> tuple[str, tuple[str, ...], Route]:
    for prefix in _PREFIXES:
        if path.startswith(prefix):
            owner, *rest = path[len(prefix) :].split("/")
            literal = _ROUTES.get((method, *rest))
            if literal is not None and len(rest) <= 2:
                return owner, (), literal
            ids = tuple(unquote(segment) for segment in rest[1::2])
            pattern = [segment if index % 2 == 0 else "*" for index, segment in enumerate(rest)]
            route = _ROUTES.get((method, *pattern))
            if route is not None:
                return owner, ids, route
    raise not_found()
