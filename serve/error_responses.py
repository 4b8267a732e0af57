"""Which error of the project becomes which HTTP answer.

The gateway installs this table into every app (serve/gateway.py); serve/http/problems.py applies it. A new error class
that clients meet gets its line here.
"""

from operator import attrgetter

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
from storage.db.engines import DatabaseUnreachable
from storage.files.blobs import FileDamaged
from storage.model.results import InvalidCursor
from storage.query.errors import InvalidQuery
from storage.replication.session_token import InvalidSessionToken
from storage.sql_sandbox.errors import SqlBusy, SqlCrashed, SqlInvalid, SqlRefused, SqlTimedOut, SqlTooLarge

_AGAIN = "This part of the service does not answer at the moment: try again shortly."
FAULTS: FaultTable = {
    InvalidQuery: Fault(400, "invalid_query", "Search not understood"),
    InvalidCursor: Fault(400, "invalid_cursor", "Cursor not valid"),
    InvalidSessionToken: Fault(400, "invalid_position", "Position not valid"),
    PushRefused: Fault(401, "push_refused", "Push not accepted"),
    SecretRefused: Fault(401, "secret_refused", "Secret not accepted"),
    TokenInvalid: Fault(401, "token_invalid", "Access token not accepted"),
    RoleRequired: Fault(403, "role_required", "Role not sufficient"),
    ScopeRequired: Fault(403, "scope_required", "Key not sufficient"),
    UnknownUser: Fault(404, "unknown_user", "Mailbox not known"),
    UnknownOperation: Fault(404, "unknown_operation", "Operation not known"),
    MailboxPaused: Fault(409, "mailbox_paused", "Mailbox paused"),
    IdempotencyMismatch: Fault(422, "idempotency_mismatch", "Key used for another request"),
    TooManyKeys: Fault(409, "too_many_keys", "Too many keys"),
    SqlInvalid: Fault(400, "sql_invalid", "SQL not understood"),
    SqlRefused: Fault(400, "sql_refused", "SQL not allowed"),
    SqlTooLarge: Fault(400, "sql_too_large", "Takes too much"),
    SqlTimedOut: Fault(400, "sql_timed_out", "Took too long"),
    SqlCrashed: Fault(400, "sql_crashed", "No answer"),
    SqlBusy: Fault(503, "sql_busy", "Other questions come first", retry_after_s=5),
    UnknownZone: Fault(400, "unknown_time_zone", "Time zone not known"),
    TooManyBuckets: Fault(400, "too_many_buckets", "Too many buckets"),
    UnknownCampaign: Fault(404, "unknown_campaign", "Campaign not known"),
    CampaignEnded: Fault(409, "campaign_ended", "Campaign not in a state for that"),
    CertificatesUnavailable: Fault(503, "certificates_unavailable", "Certificates not available", _AGAIN, 10),
    SignInFailed: Fault(401, "sign_in_failed", "Sign-in failed"),
    NotBackedUp: Fault(403, "not_backed_up", "No account here"),
    UnknownGrant: Fault(404, "unknown_grant", "Grant not known"),
    RateLimited: Fault(429, "rate_limited", "Too many requests", wait_s=attrgetter("wait_s")),
    Overloaded: Fault(503, "overloaded", "Too busy", retry_after_s=1),
    InvalidFields: Fault(400, "invalid_fields", "Fields not understood"),
    JobsUnavailable: Fault(503, "jobs_unavailable", "Jobs cannot be submitted", _AGAIN, 10),
    FileDamaged: Fault(
        500, "file_damaged", "Archive damaged", "The archived copy is damaged: ask your operator to verify the archive."
    ),
    DatabaseUnreachable: Fault(503, "database_unreachable", "Database unreachable", _AGAIN, 5),
    OwnerUnavailable: Fault(503, "shard_unavailable", "Shard unavailable", _AGAIN, 2),
    UnknownShard: Fault(503, "shard_unavailable", "Shard unavailable", _AGAIN, 30),
    LeaseHeld: Fault(503, "lease_held", "Shard owned elsewhere", _AGAIN, 15),
    LeaseLost: Fault(503, "lease_lost", "Shard changes its owner", _AGAIN, 2),
}
