"""`gbm --help` and an error in a command's arguments come without waiting for libraries that only commands need."""

import subprocess
import sys

_HEAVY = ("ray", "sqlalchemy", "psycopg", "pyarrow", "duckdb", "numpy", "googleapiclient", "fastapi", "httpx")


def test_the_command_line_starts_without_heavy_libraries() -> None:
    loaded = (
        "import sys; from cluster.main import whole_program; whole_program();"
        f" print([name for name in {_HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
