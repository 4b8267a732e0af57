"""What Gmail's methods cost, and what Gmail allows: one dated table, as configuration.

Pure arithmetic. Buckets and slices live with their owners (`actors`); this only says how many units.

Sources, all read 2026-11-30:
[quotas] developers.google.com/workspace/gmail/api/guides/quotas, and the page before it,
    developers.google.com/workspace/gmail/api/reference/quota
[overview] developers.google.com/workspace/guides/quota-overview
[pricing] developers.google.com/workspace/guides/quota-pricing
[former] developers.google.com/gmail/api/v1/reference/quota: the table of before 2026-05-01
"""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from jobs.gmail.errors import UnknownMethod

QuotaName = Literal["standard", "legacy", "unlimited"]


class QuotaProfile(BaseModel, frozen=True):
    """What one kind of Google Cloud project is allowed."""

    units_per_minute_per_user: int | None = Field(description="units per minute and user; None: no limit")
    units_per_minute_per_project: int | None = Field(description="units per minute and project; None: no limit")
    units_per_day_per_project: int | None = Field(
        description="units per day and project before billing; None: no limit"
    )
    costs: Mapping[str, int] = Field(description="units of one call, by method")


#: What both kinds of project pay. Sources: [quotas] and [former], which agree on these; of threads.list and stop the
#: discovery document of 2026-10-05.
_COMMON_COSTS: Mapping[str, int] = {
    "getProfile": 1,
    "history.list": 2,
    "labels.get": 1,
    "labels.list": 1,
    "labels.create": 5,
    "messages.list": 5,
    "messages.import": 25,
    "messages.insert": 25,
    "messages.modify": 5,
    "messages.untrash": 5,
    "messages.delete": 10,
    "messages.batchModify": 50,
    "messages.batchDelete": 50,
    "threads.list": 10,
    "watch": 100,
    "stop": 50,
}

#: Of projects that used the API between November 2025 and April 2026. Source: [former].
_LEGACY_COSTS: Mapping[str, int] = {
    **_COMMON_COSTS,
    "messages.get": 5,
    "messages.attachments.get": 5,
    "messages.trash": 5,
    "threads.get": 10,
}

#: For projects created since 2026-05-01. Source: [quotas], and the discovery document of 2026-10-05.
_STANDARD_COSTS: Mapping[str, int] = {
    **_COMMON_COSTS,
    "messages.get": 20,
    "messages.attachments.get": 20,
    "messages.trash": 20,
    "threads.get": 40,
}

PROFILES: Mapping[QuotaName, QuotaProfile] = {
    "standard": QuotaProfile(
        units_per_minute_per_user=6_000,  # [quotas]
        units_per_minute_per_project=1_200_000,  # [quotas]
        # [quotas]: no charge below it, and it cannot be raised; [overview]: a day ends at midnight, Pacific time. The
        # price of what is beyond is that of the paid tier's buckets ([pricing]), by which projects enroll themselves.
        units_per_day_per_project=80_000_000,
        costs=_STANDARD_COSTS,
    ),
    "legacy": QuotaProfile(
        units_per_minute_per_user=15_000,  # [former]
        units_per_minute_per_project=1_200_000,  # [former]
        units_per_day_per_project=None,  # [former] names none
        costs=_LEGACY_COSTS,
    ),
    # For load tests against the simulator: counts units as legacy does, and limits nothing.
    "unlimited": QuotaProfile(
        units_per_minute_per_user=None,
        units_per_minute_per_project=None,
        units_per_day_per_project=None,
        costs=_LEGACY_COSTS,
    ),
}


#: From this day (Pacific time) on, every project has the standard limits and costs unless enrolled in the paid tier.
#: Source: [quotas], "Standard Tier limits take effect across all projects on April 1, 2027".
LEGACY_ENDS_ON = date(2027, 4, 1)


def in_force(profile: QuotaName, day: date, legacy_ends_on: date | None) -> QuotaName:
    """The profile that a project has on a day, of the one that is configured. `legacy_ends_on`: None: never."""
    if profile == "legacy" and legacy_ends_on is not None and day >= legacy_ends_on:
        return "standard"
    return profile


def cost(profile: QuotaName, method: str, calls: int = 1, overrides: Mapping[str, int] | None = None) -> int:
    """Quota units that `calls` calls of a Gmail method consume.

    Args:
        profile: the project's quota profile.
        method: as Google spells it without "users.", e.g. "messages.get".
        calls: 0 or more; a call inside a batch counts like one outside.
        overrides: units by method that win over the table (`GmailConfig.cost_overrides`).

    Returns:
        Units; the allowance is in `PROFILES[profile]`.

    Raises:
        UnknownMethod: no cost is recorded; look it up before calling.
    """
    if calls < 0:
        raise ValueError(f"calls must be 0 or more, not {calls}")
    for table in (overrides or {}, PROFILES[profile].costs):
        if method in table:
            return table[method] * calls
    raise UnknownMethod(profile, method)
