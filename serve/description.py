"""The API's description as it is checked in (serve/openapi.json), so that a change of it is seen in review.

python -m serve.description      writes it anew
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from actors.config import BackupConfig
from serve.assembly import Assembly, Settings
from serve.config import ServeConfig
from serve.sync.ports import NoOwners
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key

FILE = Path(__file__).with_name("openapi.json")


def document() -> dict[str, Any]:
    """The description of what this code serves. Connects to nothing."""
    with tempfile.TemporaryDirectory(prefix="gbm-description-") as folder:  # an archive's folder is made if need be
        described: dict[str, Any] = _application(folder).state.describe()
    return described


def text() -> str:
    """As the file has it: without the release's number, which changes by itself."""
    found = document()
    found["info"]["version"] = "0"
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _application(folder: str) -> FastAPI:
    """The root application over an empty archive and databases that are nowhere."""
    backup = BackupConfig(
        cluster="description",
        archive=ArchiveConfig(uri=Path(folder).as_uri(), words_cache=f"{folder}/words"),
        postgres=PostgresConfig(control_dsn=SecretStr("postgresql://nobody@127.0.0.1:1/nothing")),
        sealing_key=SecretStr(new_key()),
    )
    return Assembly(Settings(backup, ServeConfig()), NoOwners()).root()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
