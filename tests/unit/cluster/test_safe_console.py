"""Text of strangers cannot steer the terminal, nor turn what a person reads."""

import io
import json
import sys

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cluster import console
from cluster.safe_console import SafeConsole, json_escaped
from jobs.mime.printable import harmless

_EVIL = "a\x1b[2Jb\x9b31mc\x07\u202efdp.exe\u2066\u200fd\x7f"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("שלום مرحبا 会議 é 👨\u200d👩", "שלום مرحبا 会議 é 👨\u200d👩"),
        (_EVIL, "a[2Jb31mcfdp.exed"),
        ("\r\x00\x85", ""),
    ],
)
def test_control_characters_are_removed_and_other_text_is_kept(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_whatever_is_printed_is_harmless_and_styles_stay() -> None:
    file = io.StringIO()
    printed = SafeConsole(file=file, force_terminal=True, width=100, color_system="standard", highlight=False)
    table = Table()
    table.add_column(_EVIL)
    table.add_row(Text(_EVIL, style="red"), style="bold")
    for one in (_EVIL, Text(_EVIL), table, Panel(_EVIL, title=_EVIL)):
        printed.print(one, markup=False)

    written = file.getvalue()
    assert "\x1b[31m" in written or "\x1b[1;31m" in written
    for char in ("\x1b[2J", "\x9b", "\x07", "\u202e", "\u2066", "\u200f", "\x7f"):
        assert char not in written
    assert written.count("fdp.exe") == 6


def test_the_commands_print_on_such_consoles() -> None:
    assert isinstance(console.out, SafeConsole)
    assert isinstance(console.notes, SafeConsole)


def test_json_says_the_same_without_steering(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    console.print_json({"subject": _EVIL + "é\u2028"})

    document = written.getvalue().decode()
    assert json.loads(document) == {"subject": _EVIL + "é\u2028"}
    assert "\\u202e" in document and "\u202e" not in document
    assert "é" in document
    assert all(char == "\n" or char.isprintable() for char in document)


def test_plain_json_is_left_alone() -> None:
    assert json_escaped('{"a": "é"}') == '{"a": "é"}'
