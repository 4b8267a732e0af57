"""The versions that the program, its wheel, its service and its changelog tell are one."""

import re
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from cluster.main import whole_program
from serve.description import document
from storage.version import VERSION

ROOT = Path(__file__).parents[3]


def test_the_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "storage.version.VERSION"}
    assert CliRunner().invoke(whole_program(), ["--version"]).stdout == f"gbm {VERSION}\n"
    assert document()["info"]["version"] == VERSION


def test_the_newest_section_of_the_changelog_is_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\](?: - (.+))?$", text, re.MULTILINE)
    versions = [name for name, _ in headings if name != "Unreleased"]
    assert versions[0] == VERSION
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", name) for name in versions), "semantic versioning"
    assert versions == sorted(versions, key=lambda name: [int(part) for part in name.split(".")], reverse=True)
