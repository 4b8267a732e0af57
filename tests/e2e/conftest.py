"""Fixtures for tests of whole clusters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_MAIL = Path(__file__).parents[3] / "shared" / "mail"
_FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all slow tests of clusters to one process: two clusters that start at once on two cores take too long."""
    for item in items:
        if item.path.is_relative_to(_FOLDER) and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group("clusters"))


@pytest.fixture
def enron() -> Iterator[Path | None]:
    """A real mailbox of 4,139 messages; None where it is not at hand."""
    path = SHARED_MAIL / "enron_skilling.tar.gz"
    yield path if path.exists() else None
