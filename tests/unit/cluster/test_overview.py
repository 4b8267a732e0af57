"""What `gbm status` says beside the figures."""

from datetime import UTC, datetime

import pytest

from cluster.overview import profile_warning
from jobs.gmail.config import GmailConfig

_LEGACY = GmailConfig(quota_profile="legacy")


@pytest.mark.parametrize(
    ("gmail", "now", "warning"),
    [
        (_LEGACY, datetime(2027, 1, 30, 20, tzinfo=UTC), ""),
        (_LEGACY, datetime(2027, 1, 31, 7, tzinfo=UTC), ""),  # in California it is the day before
        (_LEGACY, datetime(2027, 1, 31, 20, tzinfo=UTC), "ends on 2027-04-01, in 60 days"),
        (_LEGACY, datetime(2027, 4, 1, 20, tzinfo=UTC), "ended on 2027-04-01"),
        (_LEGACY.model_copy(update={"paid_tier": True}), datetime(2027, 4, 1, 20, tzinfo=UTC), ""),
        (GmailConfig(quota_profile="standard"), datetime(2027, 4, 1, 20, tzinfo=UTC), ""),
    ],
)
def test_the_end_of_the_legacy_profile_is_told_from_60_days_before(
    gmail: GmailConfig, now: datetime, warning: str
) -> None:
    said = profile_warning(gmail, now)

    assert said is not None and warning in said if warning else said is None
