"""A home for a measurement: a folder of its own, with databases and an archive of its own, whatever is configured."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.settings import Settings


@contextmanager
def private_home(settings: Settings, kept: Path | None = None) -> Iterator[Settings]:
    """The settings with such a home.

    Args:
        kept: where it is made, and stays; None: it is removed with the block.
    """
    with tempfile.TemporaryDirectory(prefix="gbm-bench-", ignore_cleanup_errors=True) as folder:
        postgres = settings.postgres.model_copy(update={"control_dsn": None, "shard_dsns": ()})
        archive = settings.archive.model_copy(update={"uri": "", "words_cache": ""})
        yield settings.model_copy(update={"home": kept or Path(folder), "postgres": postgres, "archive": archive})
