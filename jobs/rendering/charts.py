"""Charts as SVG: columns over time, bars of a ranking, a grid of weekdays and hours. The page defines the colours.

All text is escaped and shortened; every chart has a name for screen readers, and exact numbers as tooltips. No script,
no external resources.
"""

from collections.abc import Sequence
from itertools import accumulate

from jobs.mime.shown import escape

_WIDTH, _WIDE = 720, 1480
_COLUMNS_HEIGHT, _AXIS = 200, 22
_ROW, _NAME, _VALUE = 26, 230, 96
_CELL, _GUTTER = 27, 44
_STEPS = 5
_LONGEST_NAME = 32
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Most names under columns, and the width reserved for the numbers beside them.
_NAMES, _NUMBERS = 14, 60


def columns(name: str, values: Sequence[tuple[str, int]]) -> str:
    """A value over time: one column per row, in the given order.

    Args:
        name: the chart's name for screen readers.
        values: the label of a time, and a number of 0 or more.
    """
    if not values:
        return _nothing(name)
    most, width = max(max(value for _, value in values), 1), (_WIDE - _NUMBERS) / len(values)
    every = -(-len(values) // _NAMES)
    gap = min(2.0, width / 5)
    drawn = [_line(0, f"{most:,}"), _line(_COLUMNS_HEIGHT / 2, f"{most / 2:,.0f}")]
    for number, (time, value) in enumerate(values):
        height = value / most * _COLUMNS_HEIGHT
        x, y = number * width + gap / 2, _COLUMNS_HEIGHT - height
        title = escape(f"{time}: {value:,}")
        drawn.append(
            f'<rect class="bar" x="{x:.2f}" y="{y:.2f}" width="{width - gap:.2f}" height="{height:.2f}" rx="1">'
            f"<title>{title}</title></rect>"
        )
        if number % every == 0:
            drawn.append(f'<text class="axis" x="{x:.2f}" y="{_COLUMNS_HEIGHT + 16}">{escape(time)}</text>')
    return _svg(name, _COLUMNS_HEIGHT + _AXIS, drawn, _WIDE)


def bars(name: str, rows: Sequence[tuple[str, int, str]]) -> str:
    """A ranking: one bar per row, in the given order.

    Args:
        rows: the name, a number of 0 or more (the bar's length), and the number's text.
    """
    if not rows:
        return _nothing(name)
    most = max(max(value for _, value, _ in rows), 1)
    room = _WIDTH - _NAME - _VALUE
    drawn = []
    for number, (what, value, label) in enumerate(rows):
        y, length = number * _ROW, value / most * room
        drawn.append(
            f"<g><title>{escape(f'{what}: {label}')}</title>"
            f'<text class="name" x="{_NAME - 8}" y="{y + 17}" text-anchor="end">{escape(_short(what))}</text>'
            f'<rect class="bar" x="{_NAME}" y="{y + 5}" width="{length:.2f}" height="{_ROW - 10}" rx="2"/>'
            f'<text class="value" x="{_NAME + length + 6:.2f}" y="{y + 17}">{escape(label)}</text></g>'
        )
    return _svg(name, len(rows) * _ROW, drawn)


def week(name: str, hours: Sequence[Sequence[int]]) -> str:
    """A week: hours[weekday][hour], Monday first; darker cells have larger numbers."""
    most = max((value for day in hours for value in day), default=0)
    if not most:
        return _nothing(name)
    drawn = []
    for weekday, day in enumerate(hours):
        y = weekday * _CELL
        drawn.append(f'<text class="axis" x="0" y="{y + 18}">{_WEEKDAYS[weekday]}</text>')
        for hour, value in enumerate(day):
            step = 0 if not value else 1 + min(int(value / most * _STEPS), _STEPS - 1)
            title = f"{_WEEKDAYS[weekday]} {hour:02}:00: {value:,}"
            drawn.append(
                f'<rect class="heat{step}" x="{_GUTTER + hour * _CELL}" y="{y}" width="{_CELL - 2}" '
                f'height="{_CELL - 2}" rx="3"><title>{title}</title></rect>'
            )
    below = len(hours) * _CELL + 14
    drawn += [
        f'<text class="axis" x="{_GUTTER + hour * _CELL}" y="{below}">{hour:02}</text>' for hour in range(0, 24, 3)
    ]
    return _svg(name, below + 6, drawn)


def share(name: str, parts: Sequence[tuple[str, int]]) -> str:
    """The shares of a whole: one bar in pieces, the first six separately and the rest together."""
    total = sum(value for _, value in parts)
    if not total:
        return _nothing(name)
    shown = [*parts[:_STEPS]]
    if rest := total - sum(value for _, value in shown):
        shown.append(("other", rest))
    starts = accumulate((value / total * _WIDTH for _, value in shown), initial=0.0)
    drawn = []
    for number, ((what, value), x) in enumerate(zip(shown, starts, strict=False)):
        label = f"{what} {value / total:.0%}"
        column, row = number % 3, number // 3
        drawn.append(
            f"<g><title>{escape(f'{what}: {value:,} ({value / total:.1%})')}</title>"
            f'<rect class="part{number}" x="{x:.2f}" y="0" width="{max(value / total * _WIDTH - 1, 0.5):.2f}" '
            f'height="28"/>'
            f'<rect class="part{number}" x="{column * 240}" y="{42 + row * 24}" width="12" height="12" rx="2"/>'
            f'<text class="name" x="{column * 240 + 18}" y="{53 + row * 24}">{escape(_short(label))}</text></g>'
        )
    return _svg(name, 42 + -(-len(shown) // 3) * 24, drawn)


def _svg(name: str, height: float, drawn: Sequence[str], width: int = _WIDTH) -> str:
    return (
        f'<svg role="img" aria-label="{escape(name)}" viewBox="0 0 {width} {height:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    )


def _line(y: float, label: str) -> str:
    return (
        f'<line class="rule" x1="0" x2="{_WIDE}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="{_WIDE}" y="{y + 12:.1f}" text-anchor="end">{label}</text>'
    )


def _nothing(name: str) -> str:
    return f'<p class="nothing" aria-label="{escape(name)}">Nothing to show.</p>'


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
