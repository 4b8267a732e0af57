"""Fixtures for tests of whole clusters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_MAIL = Path(__file__).parents[3] / "shared" / "mail"


@pytest.fixture
def enron() -> Iterator[Path | None]:
    """A real mailbox of 4,139 messages; None where it is not at hand."""
    path = SHARED_MAIL / "enron_skilling.tar.gz"
    yield path if path.exists() else None
