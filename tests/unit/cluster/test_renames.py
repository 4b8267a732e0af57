"""Settings under names of the release before are taken, with one warning that gives the new name."""

import logging
from pathlib import Path

import pytest

from cluster import renames
from cluster.renames import renamed_document, renamed_variables
from cluster.settings import DefaultsMissing, load

#: As a release would have them: a setting, and a whole section.
PLANTED = {"archive.packed_messages": "archive.segment_messages", "door": "serve"}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renames, "SETTINGS", PLANTED)
    monkeypatch.setattr(renames, "_warned", set())


def test_old_variables_are_taken_with_one_warning_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GBM_ARCHIVE__PACKED_MESSAGES", "77")
    monkeypatch.setenv("GBM_DOOR__PORT", "8123")

    with caplog.at_level(logging.WARNING):
        settings = load()
        load()

    assert (settings.archive.segment_messages, settings.serve.port) == (77, 8123)
    assert [record.getMessage() for record in caplog.records] == [
        "The setting GBM_ARCHIVE__PACKED_MESSAGES is called GBM_ARCHIVE__SEGMENT_MESSAGES now; "
        "the old name works until the next release",
        "The setting GBM_DOOR__PORT is called GBM_SERVE__PORT now; the old name works until the next release",
    ]


def test_old_names_in_a_section_as_json_are_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GBM_ARCHIVE", '{"packed_messages": 77, "zstd_level": 5}')

    archive = load().archive

    assert (archive.segment_messages, archive.zstd_level) == (77, 5)
    assert "packed_messages in GBM_ARCHIVE is called segment_messages now" in caplog.text


@pytest.mark.parametrize("value", ["no JSON", "7", "[]", '{"zstd_level": 5}'])
def test_a_section_without_old_names_is_unchanged(value: str) -> None:
    assert renamed_variables({"GBM_ARCHIVE": value}, "GBM_") == {"GBM_ARCHIVE": value}


def test_the_new_name_wins_over_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GBM_ARCHIVE__PACKED_MESSAGES", "77")
    monkeypatch.setenv("GBM_ARCHIVE__SEGMENT_MESSAGES", "88")
    assert load().archive.segment_messages == 88


def test_old_names_in_a_file_are_taken_and_variables_win_over_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "gbm.yaml"
    file.write_text("archive:\n  packed_messages: 77\ndoor:\n  port: 8123\n  threads: 3\nserve:\n  port: 8124\n")
    monkeypatch.setenv("GBM_CONFIG", str(file))
    monkeypatch.setenv("GBM_DOOR__THREADS", "5")

    settings = load()

    assert (settings.archive.segment_messages, settings.serve.port, settings.serve.threads) == (77, 8124, 5)
    assert f"archive.packed_messages in {file} is called archive.segment_messages now" in caplog.text


def test_other_settings_are_unchanged() -> None:
    document = {"archive": {"uri": "x"}, "serve": {"port": 1}}
    assert renamed_document(document, "a file") == document
    assert renamed_variables({"GBM_DOORS": "x", "PATH": "y"}, "GBM_") == {"GBM_DOORS": "x", "PATH": "y"}


def test_every_rename_of_this_release_is_in_the_changelog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    text = (Path(__file__).parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")
    missing = [(old, new) for old, new in renames.table() if f"| `{old}` | `{new}` |" not in text]
    assert missing == []


def test_an_installation_without_its_packaged_defaults_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cluster.settings._DEFAULTS", tmp_path)
    monkeypatch.setenv("GBM_ENVIRONMENT", "production")
    with pytest.raises(DefaultsMissing, match=r"production\.yaml are missing"):
        load()
