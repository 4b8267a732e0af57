"""`python -m cluster.simulator`: the simulator by itself, for tests that start it as a process.

Prints nothing; errors are one sentence on standard error and exit code 2.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from cluster.simulator.config import SimulatorConfig
from cluster.simulator.server import RunningSimulator, run
from storage.errors import BackupError


def main(arguments: list[str] | None = None) -> int:
    given = vars(_parser().parse_args(arguments))
    ready_file: Path | None = given.pop("ready_file")
    try:
        config = SimulatorConfig(**given)
        run(config, (lambda running: _announce(ready_file, running)) if ready_file else None)
    except ValidationError as error:
        first = error.errors()[0]
        name = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "an option"
        return _fail(f"{name} is not usable: {first['msg']}.")
    except BackupError as error:
        return _fail(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.simulator",
        description="Serve the Gmail API from real or generated mail.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--ready-file", type=Path, default=None, help="written (JSON) once connections are accepted")
    for name, field in SimulatorConfig.model_fields.items():
        options: dict[str, Any] = {"help": (field.description or "").replace("%", "%%")}
        if field.annotation is bool:
            options["action"] = "store_true"
        elif name in ("mail", "faults"):
            options |= {"action": "append", "metavar": "PATH" if name == "mail" else "KIND"}
        elif name == "costs":
            options |= {"type": orjson.loads, "metavar": "JSON"}
        parser.add_argument("--" + name.replace("_", "-"), **options)
    return parser


def _announce(path: Path, running: RunningSimulator) -> None:
    """Write the file atomically: a reader sees all of it or no file."""
    content = orjson.dumps({"url": running.url, "port": running.port, "pid": os.getpid()})
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _fail(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
