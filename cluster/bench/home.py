"""A separate home for a benchmark, with its own databases and archive, independent of the configuration."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.settings import Settings


@contextmanager
def private_home(settings: Settings, kept: Path | None = None) -> Iterator[Settings]:
    """The settings with a separate home.

    Args:
        kept: folder to create the home in and keep; None uses a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="gbm-bench-", ignore_cleanup_errors=True) as folder:
        postgres = settings.postgres.model_copy(update={"control_dsn": None, "shard_dsns": ()})
        archive = settings.archive.model_copy(update={"uri": "", "index_cache": ""})
        yield settings.model_copy(update={"home": kept or Path(folder), "postgres": postgres, "archive": archive})
