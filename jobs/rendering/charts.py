"""Charts as SVG: columns over time, bars of a ranking, a grid of weekdays and hours, shares of a whole.

This module computes positions; templates/chart.svg.jinja draws them and escapes all text; the page defines the colours.
Every chart has a name for screen readers, and exact numbers as tooltips. No script, no external resources.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup

from jobs.rendering.templating import render

_WIDTH, _WIDE = 720, 1480
_COLUMNS_HEIGHT, _AXIS = 200, 22
_ROW, _NAME, _VALUE = 26, 230, 96
_CELL, _GUTTER = 27, 44
_STEPS = 5
_LONGEST_NAME = 32
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Most names under columns, and the width reserved for the numbers beside them.
_NAMES, _NUMBERS = 14, 60


@dataclass(frozen=True, slots=True)
class _Rect:
    style: str
    x: float
    y: float
    width: float
    height: float
    radius: int = 2


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that starts, or ends, at x; y is its baseline."""

    style: str
    x: float
    y: float
    text: str
    ends_at_x: bool = False


@dataclass(frozen=True, slots=True)
class _Datum:
    """One value of a chart. title: its tooltip."""

    title: str
    rects: tuple[_Rect, ...]
    texts: tuple[_Text, ...] = ()


@dataclass(frozen=True, slots=True)
class _Chart:
    """rules: heights of horizontal lines. Without data it says that there is nothing to show."""

    name: str
    width: int
    height: int
    data: Sequence[_Datum]
    texts: Sequence[_Text] = ()
    rules: Sequence[float] = ()

    def svg(self) -> Markup:
        return render("chart.svg.jinja", chart=self)


def columns(name: str, values: Sequence[tuple[str, int]]) -> Markup:
    """A value over time: one column per row, in the given order.

    Args:
        name: the chart's name for screen readers.
        values: the label of a time, and a number of 0 or more.
    """
    most = max((value for _, value in values), default=0) or 1
    width = (_WIDE - _NUMBERS) / max(len(values), 1)
    every = -(-len(values) // _NAMES) or 1
    gap = min(2.0, width / 5)
    data = []
    for number, (time, value) in enumerate(values):
        height = value / most * _COLUMNS_HEIGHT
        bar = _Rect("bar", number * width + gap / 2, _COLUMNS_HEIGHT - height, width - gap, height, 1)
        data.append(_Datum(f"{time}: {value:,}", (bar,)))
    rules = (0, _COLUMNS_HEIGHT / 2)
    numbers = (f"{most:,}", f"{most / 2:,.0f}")
    texts = [_Text("axis", _WIDE, y + 12, text, ends_at_x=True) for y, text in zip(rules, numbers, strict=True)]
    texts += [
        _Text("axis", number * width + gap / 2, _COLUMNS_HEIGHT + 16, values[number][0])
        for number in range(0, len(values), every)
    ]
    return _Chart(name, _WIDE, _COLUMNS_HEIGHT + _AXIS, data, texts, rules).svg()


def bars(name: str, rows: Sequence[tuple[str, int, str]]) -> Markup:
    """A ranking: one bar per row, in the given order.

    Args:
        rows: the name, a number of 0 or more (the bar's length), and the number's text.
    """
    most = max((value for _, value, _ in rows), default=0) or 1
    room = _WIDTH - _NAME - _VALUE
    data = []
    for number, (row_name, value, label) in enumerate(rows):
        y, length = number * _ROW, value / most * room
        texts = (
            _Text("name", _NAME - 8, y + 17, _short(row_name), ends_at_x=True),
            _Text("value", _NAME + length + 6, y + 17, label),
        )
        data.append(_Datum(f"{row_name}: {label}", (_Rect("bar", _NAME, y + 5, length, _ROW - 10),), texts))
    return _Chart(name, _WIDTH, len(rows) * _ROW, data).svg()


def week(name: str, hours: Sequence[Sequence[int]]) -> Markup:
    """A week: hours[weekday][hour], Monday first; darker cells have larger numbers."""
    most = max((value for day in hours for value in day), default=0)
    data = []
    for weekday, day in enumerate(hours if most else ()):
        for hour, value in enumerate(day):
            step = 0 if not value else 1 + min(int(value / most * _STEPS), _STEPS - 1)
            cell = _Rect(f"heat{step}", _GUTTER + hour * _CELL, weekday * _CELL, _CELL - 2, _CELL - 2, 3)
            data.append(_Datum(f"{_WEEKDAYS[weekday]} {hour:02}:00: {value:,}", (cell,)))
    below = len(hours) * _CELL + 14
    texts = [_Text("axis", 0, weekday * _CELL + 18, _WEEKDAYS[weekday]) for weekday in range(len(hours))]
    texts += [_Text("axis", _GUTTER + hour * _CELL, below, f"{hour:02}") for hour in range(0, 24, 3)]
    return _Chart(name, _WIDTH, below + 6, data, texts).svg()


def share(name: str, parts: Sequence[tuple[str, int]]) -> Markup:
    """The shares of a whole: one bar in pieces, the first five separately and the rest together."""
    total = sum(value for _, value in parts)
    shown = [*parts[:_STEPS]] if total else []
    if rest := total - sum(value for _, value in shown):
        shown.append(("other", rest))
    starts = accumulate((value / total * _WIDTH for _, value in shown), initial=0.0)
    data = []
    for number, ((part, value), x) in enumerate(zip(shown, starts, strict=False)):
        left, top = number % 3 * 240, 42 + number // 3 * 24
        style = f"part{number}"
        piece = _Rect(style, x, 0, max(value / total * _WIDTH - 1, 0.5), 28, 0)
        label = _Text("name", left + 18, top + 11, _short(f"{part} {value / total:.0%}"))
        data.append(
            _Datum(f"{part}: {value:,} ({value / total:.1%})", (piece, _Rect(style, left, top, 12, 12)), (label,))
        )
    return _Chart(name, _WIDTH, 42 + -(-len(shown) // 3) * 24, data).svg()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
