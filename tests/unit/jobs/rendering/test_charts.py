"""Charts and pages hold what they are given, and nothing that mail wrote becomes markup."""

from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from jobs.rendering import charts, html
from jobs.rendering.html import Page, Section

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60) | st.sampled_from(
    ['"><script>alert(1)</script>', "</title><img src=x onerror=alert(1)>", "javascript:alert(1)", "]]>", "&amp;"]
)
_NUMBERS = st.integers(0, 10**12)
_SVG = "{http://www.w3.org/2000/svg}"


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(_TEXT, st.lists(st.tuples(_TEXT, _NUMBERS), min_size=1, max_size=30))
def test_columns_are_as_high_as_their_numbers(name: str, values: list[tuple[str, int]]) -> None:
    drawn = ElementTree.fromstring(charts.columns(name, values))
    heights = [float(each.get("height", "nan")) for each in drawn.iter(f"{_SVG}rect")]
    most = max(max(value for _, value in values), 1)
    assert len(heights) == len(values)
    assert all(
        abs(height - value / most * max(heights, default=0)) < 1
        for height, (_, value) in zip(heights, values, strict=True)
        if max(heights)
    )
    assert [each.text for each in drawn.iter(f"{_SVG}title")] == [f"{time}: {value:,}" for time, value in values]


@given(_TEXT, st.lists(st.tuples(_TEXT, _NUMBERS, _TEXT), max_size=20))
def test_a_ranking_names_everything(name: str, rows: list[tuple[str, int, str]]) -> None:
    drawn = charts.bars(name, rows)
    if rows:
        titles = [each.text for each in ElementTree.fromstring(drawn).iter(f"{_SVG}title")]
        assert titles == [f"{what}: {told}" for what, _, told in rows]
    else:
        assert "Nothing to show" in drawn


@given(_TEXT, st.lists(st.tuples(_TEXT, _NUMBERS), max_size=12))
def test_the_pieces_of_a_whole_fill_it(name: str, parts: list[tuple[str, int]]) -> None:
    drawn = charts.share(name, parts)
    if total := sum(value for _, value in parts):
        pieces = [each for each in ElementTree.fromstring(drawn).iter(f"{_SVG}rect") if each.get("height") == "28"]
        starts = [float(each.get("x", "nan")) for each in pieces]
        assert starts == sorted(starts)
        assert starts[0] == 0
        assert len(pieces) <= 6
        assert sum(value for _, value in parts[:5]) <= total
    else:
        assert "Nothing to show" in drawn


def test_a_week_is_darkest_where_most_is() -> None:
    hours = [[0] * 24 for _ in range(7)]
    hours[2][9], hours[5][20] = 100, 1
    cells = [each.get("class") for each in ElementTree.fromstring(charts.week("week", hours)).iter(f"{_SVG}rect")]
    assert (len(cells), cells[2 * 24 + 9], cells[5 * 24 + 20], cells.count("heat0")) == (168, "heat5", "heat1", 166)


@given(_TEXT, _TEXT, _TEXT)
def test_a_page_has_our_markup_alone(one: str, other: str, third: str) -> None:
    sections = [
        Section(one, other, charts.bars(third, [(one, 1, other)]), wide=True),
        Section(third, one, html.table((one, other), [(third, one)], 1)),
    ]
    text = Page(one, other, [(third, one)], sections, other).html()
    found = _Tags(text)
    assert found.tags <= {
        *("html", "head", "meta", "title", "link", "style", "body", "main", "header", "h1", "h2", "div", "b", "span"),
        *("section", "p", "svg", "g", "rect", "text", "line", "table", "thead", "tbody", "tr", "th", "td", "footer"),
    }
    assert not {name for name in found.attributes if name.startswith("on")}
    assert "src" not in found.attributes
    assert "default-src 'none'" in text
