"""Errors of Gmail and of the connection to it.

Every error states whether the same call may succeed later (`retryable`) and the wait that Gmail
requested (`retry_after_s`). Nothing here waits or retries: the shard decides. `answers.classify` makes
most of them from Gmail's responses.
"""

from typing import ClassVar, Literal

from storage.errors import BackupError

ThrottleScope = Literal["user", "project", "concurrency"]


class GmailError(BackupError):
    """An error of Gmail or of the connection to it. `kind`: its name in receipts and failed items."""

    kind: ClassVar[str] = "gmail"
    retryable: ClassVar[bool] = False
    retry_after_s: float | None = None


class HistoryExpired(GmailError):
    """Gmail forgot everything before this cursor. List the whole mailbox instead."""

    kind = "history_expired"

    def __init__(self, history_id: int) -> None:
        super().__init__(history_id)
        self.history_id = history_id

    def __str__(self) -> str:
        return f"Gmail no longer keeps the history after {self.history_id}: list the whole mailbox instead."


class GrantRevoked(GmailError):
    """The refresh token is dead. Only the mailbox's owner can give a new one; stop until then."""

    kind = "grant_revoked"

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.email = email

    def __str__(self) -> str:
        return (
            f"Google no longer accepts the grant of {self.email}: "
            f'run "gbm accounts login {self.email} --client FILE", or "gbm accounts add" with a new file.'
        )


class ConsentMissing(GmailError):
    """No lasting grant came of a login. Nothing was kept: log in again, and allow it."""

    kind = "consent_missing"

    def __init__(self, email: str, reason: str) -> None:
        super().__init__(email, reason)
        self.email, self.reason = email, reason

    def __str__(self) -> str:
        return f"The login to {self.email} gave no grant ({self.reason}): run it again, and allow the access."


class WrongMailbox(GmailError):
    """A consent opens another mailbox than the one that was meant. Nothing was kept: log in with the other account."""

    kind = "wrong_mailbox"

    def __init__(self, email: str, granted: str) -> None:
        super().__init__(email, granted)
        self.email, self.granted = email, granted

    def __str__(self) -> str:
        return (
            f"The consent is for {self.granted}, not for {self.email}: "
            f"log in again with the right account, or name {self.granted}."
        )


class DelegationMissing(GrantRevoked):
    """Google does not let the service account act for this user. The domain's admin must allow it; stop until then."""

    kind = "delegation_missing"

    def __init__(self, email: str, client_id: str, scope: str) -> None:
        super().__init__(email)
        self.args = (email, client_id, scope)
        self.client_id, self.scope = client_id, scope

    def __str__(self) -> str:
        return (
            f"Google does not let the service account act for {self.email}: in the Admin console, under Security, API "
            f"controls, Domain-wide delegation, allow the client {self.client_id} the scope {self.scope}, and see that "
            f"the user is not suspended; then run `gbm sync {self.email}`."
        )


class TokenRejected(GmailError):
    """The access token is expired, revoked or wrong. Refresh it, then repeat the call."""

    kind = "token_rejected"
    retryable = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Gmail rejected the access token ({self.reason}): repeat the call with a new token."


class Throttled(GmailError):
    """Gmail says slow down. Send nothing more within this scope before `retry_after_s`, if it is given."""

    kind = "throttled"
    retryable = True

    def __init__(self, scope: ThrottleScope, retry_after_s: float | None, reason: str) -> None:
        super().__init__(scope, retry_after_s, reason)
        self.scope, self.retry_after_s, self.reason = scope, retry_after_s, reason

    def __str__(self) -> str:
        wait = "a while" if self.retry_after_s is None else f"{self.retry_after_s:.0f} s"
        return f"Gmail limits this {self.scope} ({self.reason}): repeat the call after {wait}."


class GmailUnavailable(GmailError):
    """No usable answer: 5xx, a cut or stalled connection, no route. Repeat the call later."""

    kind = "unavailable"
    retryable = True

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason, retry_after_s)
        self.reason, self.retry_after_s = reason, retry_after_s

    def __str__(self) -> str:
        return f"Gmail did not answer ({self.reason}): repeat the call later."


class NotFound(GmailError):
    """Gmail has no such thing (404). For a message: it is gone, take it off the list."""

    kind = "not_found"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Gmail does not have it ({self.reason}): stop asking for it."


class GmailRefused(GmailError):
    """Gmail understood and said no (another 4xx). Repeating does not help: see the reason."""

    kind = "refused"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason

    def __str__(self) -> str:
        return (
            f"Gmail refused the call with status {self.status} ({self.reason}): "
            f"check the account's scopes and the project's settings."
        )


class AnswerUnreadable(GmailError):
    """The answer is not what the API promises. Repeat the call; if it stays so, report the message."""

    kind = "unreadable"
    retryable = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Gmail's answer cannot be read ({self.reason}): repeat the call."


class AnswerTooLarge(GmailError):
    """One answer exceeds the configured bound. Raise `response_limit_bytes` to accept it."""

    kind = "too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return (
            f"Gmail's answer is larger than {self.limit_bytes} bytes: "
            f"raise GBM_GMAIL__RESPONSE_LIMIT_BYTES to accept it."
        )


class NotSent(GmailError):
    """This item was not asked for, because the call stopped before it. Nothing was charged: offer it again."""

    kind = "not_sent"
    retryable = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The message was not requested ({self.reason}): retry it."


class EndpointUnsafe(GmailError):
    """The address would send secrets where they may be read. Use https, or http to this machine only."""

    kind = "endpoint_unsafe"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"{self.url!r} is not an address to send credentials to ({self.reason}): use https."


class CredentialsUnusable(GmailError):
    """The credentials file is not an authorized user's. Make a new one and name it again."""

    kind = "credentials_unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The credentials file is not usable ({self.reason}): give the right file."


class UnknownMethod(GmailError):
    """No cost is recorded for this method. Look it up and add it to `quota_costs` or `cost_overrides`."""

    kind = "unknown_method"

    def __init__(self, profile: str, method: str) -> None:
        super().__init__(profile, method)
        self.profile, self.method = profile, method

    def __str__(self) -> str:
        return (
            f"The quota profile {self.profile!r} has no cost for {self.method!r}: set it in GBM_GMAIL__COST_OVERRIDES."
        )
