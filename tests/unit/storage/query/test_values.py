"""The values of operators, at their edges."""

from datetime import UTC, datetime

import pytest

from storage.query.values import ago


@pytest.mark.parametrize(
    ("count", "unit", "expected"),
    [
        (0, "d", datetime(2024, 5, 31, 12, tzinfo=UTC)),
        (2, "d", datetime(2024, 5, 29, 12, tzinfo=UTC)),
        (1, "m", datetime(2024, 4, 30, 12, tzinfo=UTC)),
        (3, "m", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (15, "m", datetime(2023, 2, 28, 12, tzinfo=UTC)),
        (5, "m", datetime(2023, 12, 31, 12, tzinfo=UTC)),
        (1, "y", datetime(2023, 5, 31, 12, tzinfo=UTC)),
        (99999, "y", datetime(2, 1, 1, tzinfo=UTC)),
        (99999, "m", datetime(2, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_age_ends_on_a_day_that_exists(count: int, unit: str, expected: datetime) -> None:
    assert ago(datetime(2024, 5, 31, 12, tzinfo=UTC), count, unit) == expected


def test_the_oldest_age_in_days_is_a_date() -> None:
    assert ago(datetime(2024, 5, 31, tzinfo=UTC), 99999, "d").year == 1750
