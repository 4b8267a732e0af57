"""The Gmail client's settings: a frozen value. The environment is read elsewhere (`GBM_GMAIL__...`)."""

from collections.abc import Mapping
from datetime import date, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt

from jobs.gmail.errors import EndpointUnsafe
from jobs.gmail.quota_costs import LEGACY_ENDS_ON, PROFILES, QuotaName, QuotaProfile, in_force

#: Google counts by the days of this zone: developers.google.com/workspace/guides/quota-overview (read 2026-11-30).
PACIFIC = ZoneInfo("America/Los_Angeles")

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret


class GmailConfig(BaseModel, frozen=True):
    """Where Gmail is, how hard it is asked, and what each answer may cost in time and memory."""

    endpoint: str = Field("https://gmail.googleapis.com", description="Gmail API address; https, or http to loopback")
    token_uri: str = Field(
        "",
        description="OAuth token address in place of the credentials file's own; https, or http to loopback",
    )
    directory_endpoint: str = Field(
        "https://admin.googleapis.com", description="Admin Directory API address; https, or http to loopback"
    )
    quota_profile: QuotaName = Field(
        "standard",
        description="standard (projects created since 2026-05-01), legacy (older), or unlimited (load tests)",
    )
    legacy_ends_on: date = Field(
        LEGACY_ENDS_ON, description="day (Pacific time) from which the legacy profile is the standard one"
    )
    paid_tier: bool = Field(
        False, description="the project is enrolled in the paid tier: the legacy profile never ends"
    )
    allow_paid_units: bool = Field(
        False, description="spend more units a day than Google gives free of charge; otherwise the rest waits"
    )
    units_per_day: PositiveInt | None = Field(
        None, description="units per day and project that are free, where Google granted others than the profile's"
    )
    cost_overrides: Mapping[str, NonNegativeInt] = Field(
        default_factory=dict, description="quota units by method that win over the packaged table"
    )
    quota_time_scale: PositiveFloat = Field(
        1.0, description="for tests against a simulator with the same: a quota minute lasts 60 s divided by this"
    )
    units_per_user: PositiveInt | None = Field(
        None, description="units per minute and user, where Google granted others than the profile's"
    )
    units_per_project: PositiveInt | None = Field(
        None, description="units per minute and project, where Google granted others than the profile's"
    )
    connections: PositiveInt = Field(4, le=32, description="connections that one fetch uses at a time")
    batch_size: PositiveInt = Field(
        50, le=100, description="messages per HTTP batch; Gmail takes 100 at most and advises against more than 50"
    )
    connect_timeout_s: PositiveFloat = Field(10.0, description="seconds to connect, TLS included")
    stall_timeout_s: PositiveFloat = Field(60.0, description="seconds without one received byte before giving up")
    total_timeout_s: PositiveFloat = Field(600.0, description="seconds for one whole request and its answer")
    response_limit_bytes: PositiveInt = Field(
        256 * 1024 * 1024,
        description="bytes of one answer; the largest message (150 MB) is about 210 MB as base64 in JSON",
    )
    fetch_limit_bytes: PositiveInt = Field(
        256 * 1024 * 1024,
        description="bytes received in one fetch, after which the rest is handed back unasked",
    )
    proxy: str = Field("", description="HTTP proxy address; empty: none, whatever the environment says")

    def token_address(self, named: str) -> str:
        """Where a grant is exchanged: the address set here, else the one that the grant's file names, else Google's.

        Raises:
            EndpointUnsafe: a grant may not be sent there.
        """
        return require_safe(self.token_uri or named or GOOGLE_TOKEN_URI)

    @property
    def profile(self) -> QuotaName:
        """The quota profile in force today: legacy ends by itself."""
        ends_on = None if self.paid_tier else self.legacy_ends_on
        return in_force(self.quota_profile, datetime.now(PACIFIC).date(), ends_on)

    def days_of_legacy(self, day: date) -> int | None:
        """Days until the legacy profile ends, 0 or less when it has ended; None when it never does or is not used."""
        if self.quota_profile != "legacy" or self.paid_tier:
            return None
        return (self.legacy_ends_on - day).days

    @property
    def quota(self) -> QuotaProfile:
        """The limits and costs of the profile in force, or what was set instead."""
        profile = PROFILES[self.profile]
        update = {
            "units_per_minute_per_user": self.units_per_user,
            "units_per_minute_per_project": self.units_per_project,
            "units_per_day_per_project": self.units_per_day,
        }
        return profile.model_copy(update={name: units for name, units in update.items() if units is not None})

    @property
    def free_units(self) -> int | None:
        """Units a day that may be spent; None: as many as the limits per minute allow."""
        return None if self.allow_paid_units else self.quota.units_per_day_per_project

    @property
    def quota_minute_s(self) -> float:
        """Seconds of the minute that the limits are for: 60, but for tests."""
        return 60 / self.quota_time_scale


def require_safe(url: str) -> str:
    """The address itself, if secrets may be sent to it.

    Raises:
        EndpointUnsafe: neither https nor http to a loopback address, or not an address of a server.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise EndpointUnsafe(url, str(exc)) from exc
    if not host or parts.username is not None or parts.fragment or any(c.isspace() or c < " " for c in url):
        raise EndpointUnsafe(url, "it does not name a server")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return url
    raise EndpointUnsafe(url, "it is neither https nor http to this machine")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
