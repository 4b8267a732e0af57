"""The HTTP response of every error class.

serve/gateway.py installs this table in every application; serve/http/problems.py applies it. Add a line here for a new
error class that clients can receive.
"""

from operator import attrgetter

from jobs.isolation.steps import IsolationFailed
from jobs.webhooks.sending import WebhookUrlRefused
from serve.auth.authentication import TokenInvalid
from serve.auth.errors import NotBackedUp, SignInFailed
from serve.auth.policies import RoleRequired, ScopeRequired
from serve.auth.pubsub_auth import CertificatesUnavailable, PushRefused
from serve.auth.tokens import SecretRefused
from serve.http.errors import Overloaded, RateLimited
from serve.http.field_mask import InvalidFields
from serve.http.problems import Fault, FaultTable
from serve.mail.readers import UnknownShard
from serve.sync.ports import JobsUnavailable, OwnerUnavailable, UnknownOperation
from storage.analytics.stats import TooManyBuckets
from storage.analytics.time_zones import UnknownZone
from storage.catalog.leases import LeaseHeld, LeaseLost
from storage.control.accounts import MailboxPaused, UnknownUser
from storage.control.api_keys import TooManyKeys
from storage.control.campaigns import CampaignEnded, IdempotencyMismatch, UnknownCampaign
from storage.control.grants import UnknownGrant
from storage.control.restore_records import RestoreConflict, TargetBusy, UnknownRestore
from storage.control.webhooks import TooManyWebhooks, UnknownWebhook
from storage.db.engines import DatabaseUnreachable
from storage.events.event_type import UnknownEventType
from storage.events.stored_event import EventsExpired, InvalidEventId
from storage.files.blobs import FileDamaged
from storage.files.file_format import FileNewer
from storage.mailbox.message import MessageUnparsable, ReadingStopped
from storage.model.results import InvalidCursor
from storage.query.errors import InvalidQuery
from storage.replication.session_token import InvalidSessionToken
from storage.sql_sandbox.errors import SqlBusy, SqlCrashed, SqlInvalid, SqlRefused, SqlTimedOut, SqlTooLarge

_AGAIN = "This part of the service is not available at the moment: try again shortly."
FAULTS: FaultTable = {
    InvalidQuery: Fault(400, "invalid_query", "Invalid search query"),
    InvalidCursor: Fault(400, "invalid_cursor", "Invalid cursor"),
    InvalidSessionToken: Fault(400, "invalid_position", "Invalid position"),
    UnknownEventType: Fault(400, "unknown_event_type", "Unknown event type"),
    InvalidEventId: Fault(400, "invalid_event_id", "Invalid event id"),
    EventsExpired: Fault(410, "events_expired", "Events deleted"),
    WebhookUrlRefused: Fault(400, "webhook_url_refused", "Webhook URL refused"),
    UnknownWebhook: Fault(404, "unknown_webhook", "Unknown webhook"),
    TooManyWebhooks: Fault(409, "too_many_webhooks", "Too many webhooks"),
    PushRefused: Fault(401, "push_refused", "Push refused"),
    SecretRefused: Fault(401, "secret_refused", "Invalid key or token"),
    TokenInvalid: Fault(401, "token_invalid", "Invalid access token"),
    RoleRequired: Fault(403, "role_required", "Role required"),
    ScopeRequired: Fault(403, "scope_required", "Scope required"),
    MessageUnparsable: Fault(422, "message_unparsable", "Message cannot be displayed"),
    ReadingStopped: Fault(422, "message_unparsable", "Message cannot be displayed"),
    IsolationFailed: Fault(503, "overloaded", "Service overloaded", retry_after_s=5),
    UnknownUser: Fault(404, "unknown_user", "Unknown mailbox"),
    UnknownOperation: Fault(404, "unknown_operation", "Unknown operation"),
    MailboxPaused: Fault(409, "mailbox_paused", "Mailbox paused"),
    IdempotencyMismatch: Fault(422, "idempotency_mismatch", "Idempotency key reused"),
    TooManyKeys: Fault(409, "too_many_keys", "Too many API keys"),
    SqlInvalid: Fault(400, "sql_invalid", "Invalid SQL"),
    SqlRefused: Fault(400, "sql_refused", "SQL not allowed"),
    SqlTooLarge: Fault(400, "sql_too_large", "SQL query too large"),
    SqlTimedOut: Fault(400, "sql_timed_out", "SQL query timed out"),
    SqlCrashed: Fault(400, "sql_crashed", "SQL query failed"),
    SqlBusy: Fault(503, "sql_busy", "SQL queries are queued", retry_after_s=5),
    UnknownZone: Fault(400, "unknown_time_zone", "Unknown time zone"),
    TooManyBuckets: Fault(400, "too_many_buckets", "Too many buckets"),
    UnknownCampaign: Fault(404, "unknown_campaign", "Unknown campaign"),
    CampaignEnded: Fault(409, "campaign_ended", "Campaign state conflict"),
    UnknownRestore: Fault(404, "unknown_restore", "Unknown restore"),
    RestoreConflict: Fault(409, "restore_conflict", "Restore state conflict"),
    TargetBusy: Fault(409, "restore_running", "Another restore has not ended"),
    CertificatesUnavailable: Fault(503, "certificates_unavailable", "Certificates unavailable", _AGAIN, 10),
    SignInFailed: Fault(401, "sign_in_failed", "Sign-in failed"),
    NotBackedUp: Fault(403, "not_backed_up", "Mailbox not backed up"),
    UnknownGrant: Fault(404, "unknown_grant", "Unknown grant"),
    RateLimited: Fault(429, "rate_limited", "Too many requests", wait_s=attrgetter("wait_s")),
    Overloaded: Fault(503, "overloaded", "Service overloaded", retry_after_s=1),
    InvalidFields: Fault(400, "invalid_fields", "Invalid fields"),
    JobsUnavailable: Fault(503, "jobs_unavailable", "Jobs unavailable", _AGAIN, 10),
    FileDamaged: Fault(
        500, "file_damaged", "Archive damaged", "The archived copy is damaged: ask your operator to verify the archive."
    ),
    FileNewer: Fault(503, "file_newer", "Written by a newer release", _AGAIN, 30),
    DatabaseUnreachable: Fault(503, "database_unreachable", "Database unreachable", _AGAIN, 5),
    OwnerUnavailable: Fault(503, "shard_unavailable", "Shard unavailable", _AGAIN, 2),
    UnknownShard: Fault(503, "shard_unavailable", "Shard unavailable", _AGAIN, 30),
    LeaseHeld: Fault(503, "lease_held", "Shard has another owner", _AGAIN, 15),
    LeaseLost: Fault(503, "lease_lost", "Shard owner is changing", _AGAIN, 2),
}
