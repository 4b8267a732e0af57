"""Plug-ins, in real processes of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.analysis import columns, plugins, registry
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.plugins import Host
from tests.unit.jobs.analysis.letters import letter

SOURCE = """
import os, sys, time
import pyarrow as pa

class Strange:
    version = 2
    fields = (("length", pa.int32()), ("pid", pa.int64()))
    def __init__(self, name="strange"): self.name = name
    def analyse(self, mail):
        match mail.message.subject:
            case "raises": raise ValueError("no")
            case "leaves": sys.exit(3)
            case "hangs":
                while True: time.sleep(1000)
            case "eats": return len(bytearray(1 << 34)), 0
            case "dies": os._exit(7)
            case "garbage": return "a", object()
            case "short": return (1,)
            case "prints":
                print("x" * 100_000); os.write(1, b"y" * 100_000)
            case "secret": return len(os.environ.get("GBM_SECRET", "")), 0
            case "nothing": return None
            case "closes": os.closerange(3, 100)
            case "floods": os.write(int(sys.argv[2]), b"\\xff" * 100)
        return len(mail.message.subject), os.getpid()

class Good(Strange):
    def __init__(self): self.name = "good"
    def analyse(self, mail): return len(mail.message.subject), 0

class Text(Strange):
    def __init__(self): self.name, self.fields = "text", (("length", pa.int32()), ("pid", "int64"))

def built_in(): return Strange("receipts")
def other(): return Strange("another")
def hanging(): time.sleep(1000)
def raising(): raise RuntimeError("broken")
"""
ENTRIES = ["strange = strange_mail:Strange", "good = strange_mail:Good"]
CONFIG = AnalysisConfig(plugin_timeout_s=1, plugin_load_timeout_s=30, plugin_memory_bytes=1 << 30)


def install(folder: Path, entries: list[str]) -> None:
    (folder / "strange_mail.py").write_text(SOURCE)
    info = folder / "strange_mail-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-mail\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gbm.analysers]\n" + "\n".join(entries) + "\n")


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host(CONFIG)
    yield host
    host.close()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def errors(host: Host, *subjects: str) -> dict[str, list[str | None]]:
    discovered, refused = plugins.discover(host, ())
    assert refused == []
    table = columns.analyse([letter(Subject=subject) for subject in subjects], discovered)
    for name in table.schema.names:
        for row, subject in zip(table[name].to_pylist(), subjects, strict=True):
            assert row["version"] == 2
            assert (row["length"] is None) == (row["error"] is not None or (subject == "nothing" and name == "strange"))
    return {name: [row["error"] for row in table[name].to_pylist()] for name in table.schema.names}


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("raises", "raised"),
        ("leaves", "raised"),
        ("hangs", "timed-out"),
        ("eats", "out-of-memory"),
        ("dies", "crashed"),
        ("garbage", "bad-answer"),
        ("short", "bad-answer"),
        ("prints", None),
        ("nothing", None),
        ("closes", "crashed"),
        ("floods", "bad-answer"),
    ],
)
def test_a_fault_costs_its_own_message_of_its_own_column(
    installed: Path, host: Host, subject: str, code: str | None
) -> None:
    install(installed, ENTRIES)

    assert errors(host, "one", subject, "three") == {"good": [None] * 3, "strange": [None, code, None]}


def test_a_plug_in_that_keeps_failing_is_left_alone_for_the_batch(installed: Path) -> None:
    install(installed, ENTRIES)
    host = Host(CONFIG.model_copy(update={"plugin_failures": 2}))
    try:
        subjects = ["raises", "one", "raises", "raises", "one", "one"]
        expected = ["raised", None, "raised", "raised", "skipped", "skipped"]
        assert errors(host, *subjects)["strange"] == expected
        assert errors(host, "one")["strange"] == [None]
    finally:
        host.close()


def test_plug_ins_run_in_another_process_that_knows_no_secrets(
    installed: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(installed, ENTRIES)
    monkeypatch.setenv("GBM_SECRET", "password")
    discovered, _ = plugins.discover(host, ())
    table = columns.analyse([letter(Subject="secret"), letter(Subject="one")], discovered)
    rows = table["strange"].to_pylist()

    assert rows[0]["length"] == 0
    assert rows[1]["pid"] not in (None, os.getpid())


def test_closing_ends_the_child(installed: Path, host: Host) -> None:
    install(installed, ENTRIES)
    discovered, _ = plugins.discover(host, ())
    row = columns.analyse([letter(Subject="one")], discovered)["strange"][0].as_py()
    assert Path(f"/proc/{row['pid']}").exists()

    host.close()

    assert not Path(f"/proc/{row['pid']}").exists()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("receipts = strange_mail:built_in", "another analyser has this name"),
        ("strange = strange_mail:other", "the analyser 'another'"),
        ("text = strange_mail:Text", "a field is not a pair"),
        ("absent = strange_mail:Absent", "cannot be loaded (AttributeError"),
        ("raising = strange_mail:raising", "cannot be loaded (RuntimeError: broken)"),
        ("hanging = strange_mail:hanging", "cannot be loaded (timed-out)"),
    ],
)
def test_what_is_malformed_is_refused_by_name_and_the_others_run(installed: Path, entry: str, reason: str) -> None:
    install(installed, [entry, "good = strange_mail:Good"])
    host = Host(CONFIG.model_copy(update={"plugin_load_timeout_s": 2.0}))
    try:
        discovered, refused = plugins.discover(host, {"receipts"})
        assert [plugin.name for plugin in discovered] == ["good"]
        assert [error.name for error in refused] == [entry.partition(" ")[0]]
        assert reason in str(refused[0])
    finally:
        host.close()


def test_the_roster_is_the_built_in_ones_and_the_plug_ins_without_the_disabled(installed: Path) -> None:
    install(installed, [*ENTRIES, "receipts = strange_mail:built_in"])
    config = CONFIG.model_copy(update={"disabled": frozenset({"good", "automatic"})})
    roster = registry.roster(config)

    names = [analyser.name for analyser in roster.analysers]
    assert names == [one.name for one in registry.BUILT_IN if one.name != "automatic"] + ["strange"]
    assert [error.name for error in roster.refused] == ["receipts"]
    assert registry.roster(config) is roster
    assert registry.roster(AnalysisConfig(plugins=False)).analysers == registry.BUILT_IN
