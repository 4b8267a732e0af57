"""An export is there whole or not at all, and replaces nothing but an export, when told to."""

from pathlib import Path

import pytest

from jobs.exporting.destination import MANIFEST, DestinationTaken, DestinationUnusable, destination


def fill(path: Path, force: bool = False, content: str = "new") -> None:
    with destination(path, force) as partial:
        partial.mkdir()
        (partial / MANIFEST).write_text(content)


def test_what_is_there_stays_unless_force_is_said(tmp_path: Path) -> None:
    fill(tmp_path / "out", content="old")

    with pytest.raises(DestinationTaken, match="--force"):
        fill(tmp_path / "out")
    assert (tmp_path / "out" / MANIFEST).read_text() == "old"
    fill(tmp_path / "out", force=True)
    assert (tmp_path / "out" / MANIFEST).read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_export_is_never_replaced(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "diary").write_text("mine")
    if kind == "link":
        (tmp_path / "link").symlink_to(home)

    with pytest.raises(DestinationTaken, match="not an export"):
        fill(tmp_path / ("home" if kind == "folder" else "link"), force=True)
    assert (home / "diary").read_text() == "mine"


def test_an_export_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    fill(tmp_path / "out", content="old")

    with pytest.raises(ValueError, match="half"), destination(tmp_path / "out", True) as partial:
        partial.mkdir()
        (partial / "half").write_text("half")
        raise ValueError("half")

    assert [path.name for path in tmp_path.rglob("*")] == ["out", MANIFEST]
    assert (tmp_path / "out" / MANIFEST).read_text() == "old"


def test_a_folder_that_does_not_exist_or_cannot_hold_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(DestinationUnusable, match="does not exist"):
        fill(tmp_path / "nowhere" / "out")
    with pytest.raises(DestinationUnusable), destination(tmp_path / "out", False) as partial:
        (partial / "in a folder that was not made").write_text("x")
