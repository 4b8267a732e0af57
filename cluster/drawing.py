"""Charts in a terminal: columns over time, bars of a ranking, the hours of a week. Plain text with colours."""

from collections.abc import Iterable, Sequence

from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HEAT = ("grey23", "grey39", "steel_blue", "deep_sky_blue3", "deep_sky_blue1", "bright_white")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def columns(values: Sequence[int], width: int) -> str:
    """Draw one column per value in a line of at most `width` characters; more values are summed in groups."""
    each = -(-len(values) // width) if values else 1
    sums = [sum(values[at : at + each]) for at in range(0, len(values), each)]
    most = max(sums, default=0)
    return "".join(_EIGHTHS[0 if not value else max(1, round(value / most * 8))] for value in sums)


def bars(rows: Sequence[tuple[str, int, str]], width: int = 30) -> Iterable[Text]:
    """Draw one bar per row of (name, value, label)."""
    most = max((value for _, value, _ in rows), default=0)
    name = min(max((len(what) for what, _, _ in rows), default=0), 34)
    for what, value, label in rows:
        length = max(1, round(value / most * width)) if value else 0
        shown = what if len(what) <= name else f"{what[: name - 1]}…"
        yield Text.assemble(f"  {shown:<{name}}  ", ("━" * length, "deep_sky_blue3"), f" {label}")


def week(hours: Sequence[Sequence[int]]) -> Iterable[Text]:
    """Draw one line per day, Monday first; brighter hours have more messages."""
    most = max((value for day in hours for value in day), default=0)
    yield Text("       " + "".join(f"{hour:<6}" for hour in range(0, 24, 3)), "dim")
    for weekday, day in zip(_WEEKDAYS, hours, strict=True):
        cells = [("■ " if value else "· ", _HEAT[-(-value * 5 // most) if most else 0]) for value in day]
        yield Text.assemble(f"  {weekday}  ", *cells)
