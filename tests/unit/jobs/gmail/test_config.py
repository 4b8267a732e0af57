"""Where credentials may be sent, and which settings exist."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.errors import EndpointUnsafe
from jobs.gmail.quota_costs import LEGACY_ENDS_ON, in_force


@pytest.mark.parametrize(
    "url",
    [
        "https://gmail.googleapis.com",
        "https://127.0.0.1:8443/token",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://localhost:9/token",
        "http://[::1]:80/",
    ],
)
def test_https_anywhere_and_http_to_this_machine_are_safe(url: str) -> None:
    assert require_safe(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://gmail.googleapis.com",
        "http://10.0.0.1/",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "https://user@example.com/",
        "https://example.com/a\r\nHost: b",
        "https://example.com/#x",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "https://[::1",
        "https://example.com:port/",
        "example.com",
        "",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(EndpointUnsafe):
        require_safe(url)


def test_every_setting_is_described_and_has_a_default() -> None:
    assert all(field.description for field in GmailConfig.model_fields.values())
    assert GmailConfig().endpoint == "https://gmail.googleapis.com"


@pytest.mark.parametrize("setting", [{"batch_size": 101}, {"connections": 0}, {"cost_overrides": {"x": -1}}])
def test_a_setting_out_of_bounds_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GmailConfig.model_validate(setting)


def test_the_legacy_profile_ends_by_itself() -> None:
    last = date(2027, 3, 31)

    assert in_force("legacy", last, LEGACY_ENDS_ON) == "legacy"
    assert in_force("legacy", last + timedelta(days=1), LEGACY_ENDS_ON) == "standard"
    assert in_force("legacy", last + timedelta(days=1), None) == "legacy"
    assert in_force("unlimited", last + timedelta(days=1), LEGACY_ENDS_ON) == "unlimited"


def test_an_ended_legacy_profile_has_the_standard_limits_and_costs() -> None:
    ended = GmailConfig(quota_profile="legacy", legacy_ends_on=date(2026, 1, 1))

    assert ended.profile == "standard"
    assert ended.quota.units_per_minute_per_user == 6_000
    assert ended.days_of_legacy(date(2026, 1, 3)) == -2
    assert GmailConfig(quota_profile="standard").days_of_legacy(date(2027, 1, 1)) is None
    assert ended.model_copy(update={"paid_tier": True}).profile == "legacy"
