"""The image: what its file says, and what it leaves out."""

import re
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster.kubernetes.image import unneeded

_ROOT = Path(__file__).parents[4]
_FILE = _ROOT / "k8s" / "Containerfile"
_KNOWN = {
    "ARG",
    "FROM",
    "ENV",
    "RUN",
    "WORKDIR",
    "COPY",
    "USER",
    "VOLUME",
    "EXPOSE",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
}


def _instructions() -> list[tuple[str, str]]:
    """Instructions and their arguments, continued lines joined."""
    lines = [line for line in _FILE.read_text().splitlines() if line and not line.startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines()]


def _stages() -> list[list[tuple[str, str]]]:
    stages: list[list[tuple[str, str]]] = [[]]
    for instruction in _instructions():
        if instruction[0] == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages[1:]


def test_every_instruction_is_known_and_what_is_copied_exists() -> None:
    assert {name for name, _ in _instructions()} <= _KNOWN
    for name, arguments in _instructions():
        if name == "COPY" and not arguments.startswith("--from="):
            for source in arguments.split()[:-1]:
                assert (_ROOT / source).exists(), source


def test_both_stages_have_the_base_that_the_build_pins() -> None:
    assert _instructions()[0][0] == "ARG" and _instructions()[0][1].startswith("BASE=")
    assert [stage[0][1] for stage in _stages()] == ["${BASE} AS build", "${BASE}"]


def test_the_result_has_no_compiler_no_installer_and_no_root() -> None:
    _, result = _stages()
    text = " ".join(arguments for _, arguments in result)

    assert not re.search(r"\bgcc\b|-dev\b|\bpip\b|build-essential|curl -|wget|\bADD\b", text)
    [user] = [arguments for name, arguments in result if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert [name for name, _ in result].index("USER") > max(i for i, (name, _) in enumerate(result) if name == "RUN")
    assert {"HEALTHCHECK", "VOLUME", "ENTRYPOINT"} <= {name for name, _ in result}


def test_the_image_has_the_user_and_the_folders_of_the_manifests() -> None:
    service = (_ROOT / "k8s/base/rayservice.yaml").read_text()
    _, result = _stages()
    [user] = [arguments for name, arguments in result if name == "USER"]

    assert set(re.findall(r"runAsUser: (\d+)", service)) == {user.partition(":")[0]}
    [volumes] = [arguments for name, arguments in result if name == "VOLUME"]
    mounted = set(re.findall(r"mountPath: (\S+)", service)) - {"/etc/gbm/replica", "/etc/gbm/postgres"}
    assert mounted == set(re.findall(r'"(/[^"]+)"', volumes))


def test_every_package_is_copied() -> None:
    build, _ = _stages()
    copied = {arguments.split()[0] for name, arguments in build if name == "COPY" and len(arguments.split()) == 2}

    found = re.search(r"^include = \[(.*)\]", (_ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found and copied == {name.strip(' "*') for name in found[1].split(",")}


def test_the_tools_of_development_are_left_out_and_what_the_program_imports_stays() -> None:
    dropped = set(unneeded(distributions()))

    assert {"pytest", "mypy", "ruff", "schemathesis", "hypothesis"} <= dropped
    assert not {"ray", "fastapi", "pydantic", "duckdb", "psycopg", "psycopg-binary", "packaging", "uvloop"} & dropped


def test_a_program_that_is_not_installed_removes_nothing() -> None:
    one = cast(Distribution, SimpleNamespace(metadata={"Name": "one"}, requires=None))

    assert unneeded([one], "one") == []
    with pytest.raises(KeyError):
        unneeded([one], "two")


def test_extras_and_markers_are_followed() -> None:
    def made(name: str, *requires: str) -> Any:
        return SimpleNamespace(metadata={"Name": name}, requires=requires)

    installed = [
        made("Program", "web[fast]>=1", 'win; sys_platform == "win32"'),
        made("web", 'quick; extra == "fast"', 'slow; extra == "slow"'),
        *(made(name) for name in ("quick", "slow", "win")),
    ]
    assert unneeded(installed, "program") == ["slow", "win"]
