"""serve/openapi.json is what this code serves."""

import difflib
import json

from serve.description import FILE, document, text


def test_a_change_of_the_api_is_checked_in() -> None:
    then, now = FILE.read_text(encoding="utf-8"), text()
    changes = list(difflib.unified_diff(then.splitlines(), now.splitlines(), "checked in", "served", lineterm="", n=2))
    assert not changes, "\n".join([*changes[:80], "Run `python -m serve.description` if this is meant."])


def test_every_operation_has_a_summary_and_error_responses() -> None:
    found = document()
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            assert {"429", "503", "504"} <= operation["responses"].keys(), name
            secured = "security" in operation
            assert (
                secured or path.startswith(("/api/v1/auth/", "/api/v1/push/")) or "401" not in operation["responses"]
            ), name
            assert not secured or {"401", "403"} <= operation["responses"].keys(), name
            for status, answer in operation["responses"].items():
                if status >= "400" and not path.endswith("/ready"):
                    schema = answer["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, f"{name} {status}"


def test_the_file_is_one_that_tools_read() -> None:
    found = json.loads(FILE.read_text(encoding="utf-8"))
    assert found["openapi"].startswith("3.1")
    assert len(found["paths"]) > 30
    assert len({op["operationId"] for ops in found["paths"].values() for op in ops.values()}) == sum(
        len(ops) for ops in found["paths"].values()
    )
