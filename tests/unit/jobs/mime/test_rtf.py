import pytest

from jobs.mime import rtf
from jobs.mime.defects import Defects
from tests.unit.jobs.mime.outlook import HELLO_RTF

#: The example of MS-OXRTFCP, section 4.1.2: a reference that overlaps what it writes.
_OVERLAPPING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")


def test_the_examples_of_the_specification_are_decompressed() -> None:
    defects = Defects()

    assert rtf.decompress(HELLO_RTF, 1000, defects) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert rtf.decompress(_OVERLAPPING, 1000, defects) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert defects.codes() == []


@pytest.mark.parametrize("cut", range(len(HELLO_RTF)))
def test_a_cut_body_yields_its_beginning(cut: int) -> None:
    whole = rtf.decompress(HELLO_RTF, 1000, Defects())

    assert whole.startswith(rtf.decompress(HELLO_RTF[:cut], 1000, Defects()))


def test_what_is_decompressed_is_bounded() -> None:
    assert rtf.decompress(_OVERLAPPING, 10, Defects()) == b"{\\rtf1 WXY"
    claimed = b"\0\0\0\0" + b"\xff\xff\xff\x7f" + _OVERLAPPING[8:]
    assert len(rtf.decompress(claimed, 1 << 30, Defects())) == 28


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (rb"{\rtf1 a\par b\tab c}", "a\nb\tc"),
        (rb"{\rtf1{\fonttbl{\f0 Arial;}}{\*\generator x;}{\info{\author me}}seen}", "seen"),
        (rb"{\rtf1\ansicpg1251 \'cf\'f0\'e8}", "При"),
        (rb"{\rtf1\ansicpg932 \'93\'fa\'96\'7b}", "日本"),
        (rb"{\rtf1 caf\u233?!{\uc2 \u8364 xx}\u-10179?\u-8704?}", "café!€😀"),
        (rb"{\rtf1 x\{y\}\\z\~w}", "x{y}\\z\u00a0w"),
        (rb"{\rtf1\fromhtml1{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 words\htmlrtf\par}\htmlrtf0 after}", "wordsafter"),
        (b"{\\rtf1" + b"{" * 5000 + b"deep" + b"}" * 5000 + b"}", "deep"),
        (b"{\\rtf1 ends as a C string}\r\n\0", "ends as a C string"),
        (b"no rtf", ""),
    ],
)
def test_rich_text_becomes_its_words(markup: bytes, words: str) -> None:
    assert rtf.text(markup, Defects()) == words
