"""A self-contained page of charts: one HTML text, no script, no external resources.

The templates escape all text from mail, and the page's own content security policy forbids scripts and requests, so
that the page is as safe from a disk as from the gateway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from jobs.rendering.templating import render

#: Content security policy: inline styles only. Repeated in the page itself, for readers who open the file.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Section:
    """A chart with its heading. note: a sentence that explains the chart. picture: a chart or a table."""

    title: str
    note: str
    picture: Markup
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The contents of a page. tiles: (text of a number, its name), shown first."""

    title: str
    subtitle: str
    tiles: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    footer: str = ""

    def html(self) -> str:
        """The document."""
        return str(render("page.html.jinja", page=self, policy=Markup(POLICY)))  # noqa: S704 - our own text


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> Markup:
    """A table; the last `numbers` columns are numbers."""
    return render("table.html.jinja", headings=headings, rows=rows, first_number=len(headings) - numbers)
