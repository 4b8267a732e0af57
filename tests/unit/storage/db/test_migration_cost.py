"""An upgrade from any release takes a minute at most for a million messages, by what was measured."""

from storage.db import migrate
from storage.db.migration_cost import COPY_S, FIRST_RELEASE, MEASURED_S, seconds_per_million

_LIMIT_S = 60.0


def test_an_upgrade_from_the_first_release_takes_a_minute_at_most() -> None:
    steps = migrate.revisions_after("shard", FIRST_RELEASE)
    assert COPY_S + sum(seconds_per_million("shard", step) for step in steps) <= _LIMIT_S


def test_every_migration_since_the_first_release_was_measured() -> None:
    steps = migrate.revisions_after("shard", FIRST_RELEASE)
    assert [step for step in steps if ("shard", step) not in MEASURED_S] == []
