"""The OpenAPI document that is checked in as serve/openapi.json, so that reviews show changes of the API.

python -m serve.description      updates the file
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from actors.config import BackupConfig
from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.settings import Settings
from serve.sync.ports import NoOwners
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key

FILE = Path(__file__).with_name("openapi.json")


def document() -> dict[str, Any]:
    """The OpenAPI document of this code. Opens no connection."""
    with tempfile.TemporaryDirectory(prefix="gbm-description-") as folder:  # opening an archive creates its folder
        described: dict[str, Any] = _application(folder).state.describe()
    return described


def text() -> str:
    """Text of the file. The version is "0", so that a release does not change it."""
    described = document()
    described["info"]["version"] = "0"
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _application(folder: str) -> FastAPI:
    """The root application, with an empty archive and unreachable databases."""
    backup = BackupConfig(
        cluster="description",
        archive=ArchiveConfig(uri=Path(folder).as_uri(), words_cache=f"{folder}/words"),
        postgres=PostgresConfig(control_dsn=SecretStr("postgresql://unused@127.0.0.1:1/unused")),
        sealing_key=SecretStr(new_key()),
    )
    return Assembly(Settings(backup, ServeConfig()), NoOwners()).root()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
