"""Who may call which route: the table of the tests of authorisation.

It says what each role may do in words of its own: it is not made from the policies that it checks. A "mail key" is a
key that was narrowed to the scope of that name.
"""

from dataclasses import dataclass, field
from typing import Any

from serve.ops import web

EVERYBODY = {"owner", "operator", "auditor"}
OPERATORS_KEYS = ("campaigns key", "audit key")
NARROWED = ("mail key", "analytics key", "sync key", "keys key", "events key", "restore key", *OPERATORS_KEYS)
ROLES = ("owner", "operator", "auditor", *NARROWED, "grant", "restore grant", "nobody")
SIGNED_IN = EVERYBODY | {*NARROWED}
MAIL = EVERYBODY | {"mail key", "grant", "restore grant"}
NUMBERS = EVERYBODY | {"analytics key", "grant", "restore grant"}
SYNC = {"owner", "operator", "sync key"}
KEYS = EVERYBODY | {"keys key"}
CAMPAIGNS = {"operator", "campaigns key"}
WATCH = CAMPAIGNS | {"auditor"}
RESTORE = {"restore key", "restore grant"}
AUDIT = {"operator", "auditor", "audit key"}
EVENTS = EVERYBODY | {"events key"}
WEBHOOKS = {"owner", "operator", "events key"}
HOOK, FOREIGN_HOOK = {"webhook_id": "NEW_WEBHOOK"}, {"webhook_id": "FOREIGN_WEBHOOK"}
#: They do not end: tests/integration/serve/events reads them over HTTP.
STREAMS = ("GET /api/v1/events/stream", "GET /api/v1/admin/events/stream")
NOBODY_NEEDED = {*ROLES}


@dataclass(frozen=True)
class Row:
    """Who may call a route.

    ids: values of its path's parameters, of the caller's own. foreign: of another's. ends: it would end what others
    need, so those who may call it come as somebody of their own (`World.enter`). refused: the answer to everybody of a
    route that nobody here may call.
    """

    who: set[str]
    body: Any = None
    ids: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    ends: bool = False
    refused: int = 404


#: The interface's icon, whose name contains a hash.
ICON = next(name for name in web.files() if name.endswith(".svg"))
OWN, OTHER = {"email_id": "1"}, {"email_id": "b1"}
TABLE: dict[str, Row] = {
    "GET /": Row(NOBODY_NEEDED),
    "GET /health": Row(NOBODY_NEEDED),
    "GET /ready": Row(NOBODY_NEEDED),
    "GET /metrics": Row(NOBODY_NEEDED),
    "GET /docs": Row(NOBODY_NEEDED),
    "GET /docs/start.js": Row(NOBODY_NEEDED),
    "GET /docs/{name}": Row(NOBODY_NEEDED, ids={"name": "swagger-ui.css"}, foreign={"name": "secrets"}),
    "GET /openapi.json": Row(NOBODY_NEEDED),
    "GET /assets/{name}": Row(NOBODY_NEEDED, ids={"name": ICON}, foreign={"name": "index.html"}),
    **{f"GET /{view}": Row(NOBODY_NEEDED) for view in web.VIEWS},
    "GET /openapi/{name}.json": Row(NOBODY_NEEDED, ids={"name": "emails"}, foreign={"name": "secrets"}),
    "POST /api/v1/auth/token": Row(NOBODY_NEEDED, body={"api_key": "KEY"}),
    "POST /api/v1/auth/session": Row(NOBODY_NEEDED, body={"api_key": "KEY"}),
    "GET /api/v1/auth/session": Row(NOBODY_NEEDED),
    "POST /api/v1/auth/session/refresh": Row(set(), refused=401),  # nobody here has the cookie
    "DELETE /api/v1/auth/session": Row(NOBODY_NEEDED),
    "GET /api/v1/auth/jwks": Row(NOBODY_NEEDED),
    "GET /api/v1/auth/google/login": Row(set()),  # not configured here: 404 for all
    "GET /api/v1/auth/google/callback": Row(set()),
    "POST /api/v1/push/gmail": Row(set(), body={"message": {"data": "e30="}}),
    "POST /api/v1/auth/verify": Row(SIGNED_IN | {"grant", "restore grant"}),
    "POST /api/v1/auth/sign-out": Row(SIGNED_IN, ends=True),
    "POST /api/v1/auth/sign-out-everywhere": Row(KEYS, ends=True),
    "GET /api/v1/auth/keys": Row(KEYS),
    "POST /api/v1/auth/keys": Row(KEYS, body={}),
    "DELETE /api/v1/auth/keys/{key_id}": Row(
        KEYS, ids={"key_id": "NEW_KEY"}, foreign={"key_id": "FOREIGN_KEY"}, ends=True
    ),
    # A grant is no wider than the key that asks for it: one for audit alone gets none.
    "POST /api/v1/auth/grants": Row(AUDIT - {"audit key"}, body={"email": "bob@example.com", "reason": "a good one"}),
    "GET /api/v1/auth/grants": Row(KEYS),
    "DELETE /api/v1/auth/grants/{grant_id}": Row(
        KEYS, ids={"grant_id": "NEW_GRANT"}, foreign={"grant_id": "FOREIGN_GRANT"}, ends=True
    ),
    "POST /api/v1/auth/grants/{grant_id}/token": Row(
        AUDIT - {"audit key"}, ids={"grant_id": "NEW_GRANT"}, foreign={"grant_id": "FOREIGN_GRANT"}, ends=True
    ),
    "GET /api/v1/emails": Row(MAIL),
    "GET /api/v1/emails/{email_id}": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/raw": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/html": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/thread": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/attachments": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/attachments/{n}": Row(MAIL, ids={**OWN, "n": "0"}, foreign={**OTHER, "n": "0"}),
    "GET /api/v1/emails/{email_id}/parts/{part}": Row(MAIL, ids={**OWN, "part": "2"}, foreign={**OTHER, "part": "2"}),
    "PUT /api/v1/emails/{email_id}/judgement": Row(
        EVERYBODY | {"mail key", "sync key"}, body={"spam": False}, ids=OWN, foreign=OTHER
    ),
    "GET /api/v1/threads/{thread_id}": Row(MAIL, ids={"thread_id": "1"}, foreign={"thread_id": "b1"}),
    "GET /api/v1/labels": Row(MAIL),
    "GET /api/v1/analytics/overview": Row(NUMBERS),
    "GET /api/v1/analytics/senders": Row(NUMBERS),
    "GET /api/v1/analytics/recipients": Row(NUMBERS),
    "GET /api/v1/analytics/domains": Row(NUMBERS),
    "GET /api/v1/analytics/timeline": Row(NUMBERS),
    "GET /api/v1/analytics/activity": Row(NUMBERS),
    "GET /api/v1/analytics/labels": Row(NUMBERS),
    "GET /api/v1/analytics/storage": Row(NUMBERS),
    "GET /api/v1/analytics/threads": Row(NUMBERS),
    "GET /api/v1/analytics/newsletters": Row(NUMBERS),
    "GET /api/v1/analytics/categories": Row(NUMBERS),
    "GET /api/v1/analytics/languages": Row(NUMBERS),
    "GET /api/v1/analytics/sentiment": Row(NUMBERS),
    "GET /api/v1/analytics/security": Row(NUMBERS),
    "GET /api/v1/analytics/report": Row(NUMBERS),
    "POST /api/v1/analytics/query": Row(MAIL, body={"sql": "SELECT subject FROM messages"}),
    "POST /api/v1/sync": Row(SYNC, body={"mode": "incremental"}),
    "POST /api/v1/sync/stop": Row(SYNC),
    "POST /api/v1/sync/pause": Row(SYNC),
    "POST /api/v1/sync/resume": Row(SYNC),
    "GET /api/v1/sync/status": Row(SYNC | {"auditor"}),
    "GET /api/v1/sync/failures": Row(SYNC | {"auditor"}),
    "GET /api/v1/sync/failures/{email_id}/received": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/sync/progress": Row(SYNC | {"auditor"}),
    "GET /api/v1/sync/backfills": Row(WATCH),
    "POST /api/v1/sync/backfills": Row(CAMPAIGNS, body={"emails": ["bob@example.com"]}),
    "GET /api/v1/sync/backfills/{campaign_id}": Row(WATCH, ids={"campaign_id": "1"}, foreign={"campaign_id": "99"}),
    "POST /api/v1/sync/backfills/{campaign_id}/cancel": Row(
        CAMPAIGNS, ids={"campaign_id": "NEW_CAMPAIGN"}, foreign={"campaign_id": "99"}, ends=True
    ),
    "POST /api/v1/sync/backfills/{campaign_id}/resume": Row(
        CAMPAIGNS, ids={"campaign_id": "NEW_CAMPAIGN"}, foreign={"campaign_id": "99"}, ends=True
    ),
    "GET /api/v1/sync/restores": Row(RESTORE | SYNC),
    "POST /api/v1/sync/restores": Row(RESTORE, body={"query": "from:friend"}, ends=True),
    **{
        f"{method} /api/v1/sync/restores/{{restore_id}}{action}": Row(
            who, ids={"restore_id": "NEW_RESTORE"}, foreign={"restore_id": "FOREIGN_RESTORE"}, ends=True
        )
        for method, action, who in (
            ("GET", "", RESTORE | SYNC),
            ("GET", "/report", RESTORE | SYNC),
            ("POST", "/pause", RESTORE | SYNC),
            ("POST", "/cancel", RESTORE | SYNC),
            ("POST", "/resume", RESTORE),
        )
    },
    "GET /api/v1/sync/operations": Row(WATCH),
    "GET /api/v1/sync/operations/{operation_id}": Row(
        WATCH, ids={"operation_id": "backfill-1"}, foreign={"operation_id": "backfill-99"}
    ),
    "GET /api/v1/sync/operations/{operation_id}/progress": Row(
        WATCH, ids={"operation_id": "backfill-1"}, foreign={"operation_id": "backfill-99"}
    ),
    "POST /api/v1/sync/operations/{operation_id}/cancel": Row(
        CAMPAIGNS, ids={"operation_id": "NEW_OPERATION"}, foreign={"operation_id": "backfill-99"}, ends=True
    ),
    "GET /api/v1/events": Row(EVENTS),
    "GET /api/v1/events/stream": Row(EVENTS),
    "GET /api/v1/events/types": Row(SIGNED_IN),
    "GET /api/v1/admin/events": Row({"operator", "auditor"}),
    "GET /api/v1/admin/events/stream": Row({"operator", "auditor"}),
    "GET /api/v1/webhooks": Row(WEBHOOKS),
    "POST /api/v1/webhooks": Row(WEBHOOKS, body={"url": "https://hooks.example/gbm"}),
    "DELETE /api/v1/webhooks/{webhook_id}": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "POST /api/v1/webhooks/{webhook_id}/enable": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "POST /api/v1/webhooks/{webhook_id}/test": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "GET /api/v1/webhooks/{webhook_id}/deliveries": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "GET /api/v1/admin/audit": Row(AUDIT),
    "GET /api/v1/admin/users": Row(AUDIT),
    "GET /api/v1/admin/analytics/overview": Row({"operator"}),
    "GET /api/v1/admin/analytics/timeline": Row({"operator"}),
    "GET /api/v1/admin/analytics/storage": Row({"operator"}),
    "GET /api/v1/admin/analytics/activity": Row({"operator"}),
    "GET /api/v1/admin/analytics/labels": Row({"operator"}),
    "GET /api/v1/admin/analytics/analysis/{question}": Row({"operator"}, ids={"question": "categories"}),
}
